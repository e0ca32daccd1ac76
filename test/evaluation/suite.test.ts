import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cidOf, encodeCanonical } from '../../src/canonical.ts'
import { type BuiltSuite, buildSuite, splitSuites } from '../../src/evaluation/build-suite.ts'
import { decodeShard, decodeSuite, encodeSuite } from '../../src/evaluation/suite-format.ts'
import { suiteFrame } from '../../src/evaluation/suite-frame.ts'
import { shardTargets, type SuiteItem, type SuiteRoot } from '../../src/evaluation/suite.ts'
import { imageItems, imageSuite, textItem, textSuite } from './suite-items.ts'

interface Vector {
  readonly root: string
  readonly shards: readonly string[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/suite.json', import.meta.url), 'utf8'),
) as Readonly<Record<'images' | 'texts', Vector>>

describe('buildSuite', () => {
  it('gives the golden ids', () => {
    assert.deepEqual(idsOf(buildSuite(imageSuite(40))), vectors.images)
    assert.deepEqual(idsOf(buildSuite(textSuite())), vectors.texts)
  })

  it('gives one id for the same items in any order', () => {
    const suite = imageSuite(70)
    const turned = buildSuite({ ...suite, items: suite.items.toReversed() })
    assert.equal(turned.rootCid.toString(), buildSuite(suite).rootCid.toString())
  })

  it('cuts shards of 32 items that decode to the items it was given', () => {
    const suite = imageSuite(70)
    const { root, rootCid, blocks } = buildSuite(suite)
    assert.deepEqual([root.items, root.targets, root.shards.length], [70, 70, 3])
    for (const { cid, bytes } of blocks) assert.equal(cidOf(bytes).toString(), cid.toString())
    assert.equal(blocks.at(-1)!.cid, rootCid)
    assert.deepEqual(decodeSuite(blocks.at(-1)!.bytes), root)
    const shards = blocks.slice(0, -1).map(({ bytes }) => decodeShard(bytes, root))
    assert.deepEqual(
      shards.map(({ items }) => items.length),
      [32, 32, 6],
    )
    assert.deepEqual(firstPixels(shards.flatMap(({ items }) => items)), firstPixels(suite.items))
  })

  it('cuts shards of fewer items where 32 would exceed 1 MiB', () => {
    const items = Array.from({ length: 7 }, (_, i) => ({
      task: 0,
      pixels: new Uint8Array(300_000).fill(i),
      label: 0,
    }))
    const image = { shape: [3, 250, 400], encoding: 'u8', mean: 0.5, deviation: 0.5 } as const
    const { root, blocks } = buildSuite({ ...imageSuite(0), items, image })
    assert.equal(root.shards.length, 3)
    assert.ok(blocks.every(({ bytes }) => bytes.length <= 2 ** 20))
  })

  it('counts the targets of texts', () => {
    const { root, blocks } = buildSuite(textSuite())
    assert.equal(root.targets, 4)
    const counts = shardTargets(decodeShard(blocks[0]!.bytes, root))
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      [1, 1, 2],
    )
  })

  it('refuses an item that comes twice, and no items', () => {
    const suite = imageSuite(3)
    const twice = { ...suite, items: [...suite.items, suite.items[1]!] }
    assert.throws(() => buildSuite(twice), { id: 'E_DUPLICATE_ITEM' })
    assert.throws(() => buildSuite({ ...suite, items: [] }), { id: 'E_EMPTY_SUITE' })
  })
})

describe('splitSuites', () => {
  it('gives disjoint lists with equal counts per task, whatever the order', () => {
    const items = imageItems(41)
    const lists = splitSuites(items, 2)
    for (const list of lists) {
      assert.deepEqual(
        [0, 1].map((t) => list.filter(({ task }) => task === t).length),
        [10, 10],
      )
    }
    assert.equal(new Set(lists.flat()).size, 40)
    assert.deepEqual(splitSuites(items.toReversed(), 2), lists)
  })

  it('refuses a task with fewer items than parts', () => {
    assert.throws(() => splitSuites(imageItems(3), 2), { id: 'E_EMPTY_SUITE' })
  })
})

describe('suiteFrame', () => {
  const { root, rootCid, blocks } = buildSuite(textSuite())
  const shards = blocks.slice(0, -1).map(({ bytes }) => decodeShard(bytes, root))

  it('weighs a loss by its targets and an answer by one', () => {
    const targets = [shardTargets(shards[0]!)]
    assert.deepEqual(suiteFrame(rootCid, root, shards), { id: rootCid, metric: 'loss', targets })
    const accuracy = suiteFrame(rootCid, { ...root, metric: 'accuracy' }, shards)
    assert.deepEqual(accuracy.targets, [[1, 1, 1]])
  })

  it('refuses shards that do not add up to the root', () => {
    for (const lie of [{ items: 4 }, { targets: 5 }, { shards: [rootCid, rootCid] }]) {
      assert.throws(() => suiteFrame(rootCid, { ...root, ...lie }, shards), { id: 'E_BAD_SUITE' })
    }
  })
})

describe('decodeSuite', () => {
  const { root } = buildSuite(imageSuite(40))
  const texts = buildSuite(textSuite()).root
  const image = root.image!
  const link = root.shards[0]!

  const broken: readonly [string, unknown][] = [
    ['another version', { ...root, version: 2 }],
    ['another kind', { ...root, kind: 'delta' }],
    ['an unknown key', { ...root, code: 'x' }],
    ['a missing key', { ...root, licence: undefined }],
    ['an empty name', { ...root, name: '' }],
    ['a name that moves the cursor', { ...root, name: 'a\u001b[2J' }],
    ['a name that turns the line', { ...root, name: 'a\u202eb' }],
    ['an unknown metric', { ...root, metric: 'bleu' }],
    ['no tasks', { ...root, tasks: [] }],
    ['two tasks of one name', { ...root, tasks: [root.tasks[0], root.tasks[0]] }],
    ['an offset without labels', { ...root, tasks: [{ name: 'a', labelOffset: 1 }] }],
    ['a task with an unknown key', { ...root, tasks: [{ name: 'a', url: 'x' }] }],
    ['more items than its shards hold', { ...root, items: 65, targets: 65 }],
    ['fewer items than shards', { ...root, items: 1, targets: 1 }],
    ['a fractional count', { ...root, items: 39.5 }],
    ['another number of targets than images', { ...root, targets: 41 }],
    ['a shard twice', { ...root, shards: [link, link] }],
    ['a shard that is text', { ...root, shards: [link.toString(), link] }],
    ['a raw shard', { ...root, shards: [cidOf(new Uint8Array(1), 0x55), link] }],
    ['images without a shape', { ...root, image: undefined }],
    ['texts with a shape', { ...texts, image }],
    ['texts with labels', { ...texts, tasks: root.tasks }],
    ['a shape of two sides', { ...root, image: { ...image, shape: [2, 3] } }],
    ['a huge image', { ...root, image: { ...image, shape: [3, 1024, 1024] } }],
    ['a deviation of 0', { ...root, image: { ...image, deviation: 0 } }],
    ['f32 that is normalised again', { ...root, image: { ...image, encoding: 'f32' } }],
    ['a list', [root]],
  ]
  for (const [what, value] of broken) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeSuite(encodeCanonical(strip(value))), { id: 'E_BAD_SUITE' })
    })
  }

  it('refuses more than 256 KiB before it decodes them', () => {
    assert.throws(() => decodeSuite(new Uint8Array(256 * 1024 + 1)), { id: 'E_BAD_SUITE' })
  })

  it('refuses bytes that are not canonical', () => {
    const bytes = encodeSuite(root)
    assert.throws(() => decodeSuite(bytes.subarray(0, -1)), { id: 'E_NOT_CANONICAL' })
    assert.throws(() => decodeSuite(Uint8Array.of(...bytes, 0)), { id: 'E_NOT_CANONICAL' })
  })

  it('never writes what it would not read', () => {
    assert.throws(() => encodeSuite({ ...root, items: 65 }), { id: 'E_BAD_SUITE' })
  })
})

describe('decodeShard', () => {
  const pictures = buildSuite(imageSuite(40)).root
  const texts = buildSuite(textSuite()).root
  const picture = imageItems(1)[0]!
  const text = textItem([1, 2], [2, -100])
  const float: SuiteRoot = {
    ...pictures,
    image: { shape: [1, 1, 1], encoding: 'f32', mean: 0, deviation: 1 },
  }

  const broken: readonly [string, SuiteRoot, readonly unknown[]][] = [
    ['no items', pictures, []],
    ['33 items', pictures, imageItems(33)],
    ['a text among images', pictures, [text]],
    ['an image among texts', texts, [picture]],
    ['a task that the root lacks', pictures, [{ ...picture, task: 2 }]],
    ['a negative task', pictures, [{ ...picture, task: -1 }]],
    ['a label that its task lacks', pictures, [{ ...picture, label: 3 }]],
    ['a missing pixel', pictures, [{ ...picture, pixels: new Uint8Array(5) }]],
    ['pixels as a list', pictures, [{ ...picture, pixels: [1, 2, 3, 4, 5, 6] }]],
    ['an unknown key', pictures, [{ ...picture, path: '/etc' }]],
    ['a pixel that is NaN', float, [{ ...picture, pixels: Uint8Array.of(0, 0, 0xc0, 0x7f) }]],
    ['an empty text', texts, [textItem([], [])]],
    ['half an id', texts, [{ ...text, ids: new Uint8Array(6), targets: new Uint8Array(6) }]],
    ['fewer targets than ids', texts, [textItem([1, 2], [2])]],
    ['a negative id', texts, [textItem([-1, 2], [2, 2])]],
    ['a target below −100', texts, [textItem([1, 2], [-101, 2])]],
    ['a text without targets', texts, [textItem([1, 2], [-100, -100])]],
  ]
  for (const [what, root, items] of broken) {
    it(`refuses ${what}`, () => {
      const bytes = encodeCanonical({ version: 1, kind: 'shard', items })
      assert.throws(() => decodeShard(bytes, root), { id: 'E_BAD_SUITE' })
    })
  }

  it('reads f32 pixels and texts that are sound', () => {
    const one = { ...picture, pixels: Uint8Array.of(0, 0, 0x80, 0x3f) }
    assert.deepEqual(readItems([one], float), [one])
    assert.deepEqual(readItems([text], texts), [text])
  })

  it('refuses more than 1 MiB before it decodes them', () => {
    assert.throws(() => decodeShard(new Uint8Array(2 ** 20 + 1), texts), { id: 'E_BAD_SUITE' })
  })
})

/** dag-cbor knows no `undefined`. */
function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value as object).filter(([, field]) => field !== undefined),
  )
}

function idsOf({ root, rootCid }: BuiltSuite): Vector {
  return { root: rootCid.toString(), shards: root.shards.map(String) }
}

function firstPixels(items: readonly SuiteItem[]): number[] {
  const firsts = items.map((item) => ('pixels' in item ? item.pixels[0]! : -1))
  return firsts.toSorted((a, b) => a - b)
}

function readItems(items: readonly unknown[], root: SuiteRoot): unknown {
  return decodeShard(encodeCanonical({ version: 1, kind: 'shard', items }), root).items
}
