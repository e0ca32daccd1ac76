import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { type Blockstore, createMemoryBlockstore } from '../../protocol/block.ts'
import { linksOf, measureDag } from '../../protocol/dag/links.ts'
import { openDelta } from '../../protocol/dag/open.ts'
import { createDeltaWriter, type WrittenDelta } from '../../protocol/dag/write.ts'
import {
  type CID,
  cidOf,
  cidOfValue,
  decodeCanonical,
  encodeCanonical,
  RAW,
  sha256,
} from '../../src/canonical.ts'
import { decodeIndex, type DeltaRoot } from '../../src/codecs/manifest/manifest.ts'

const KIB = 1024
const MIB = 1024 * KIB

const facts = {
  base: cidOfValue('a base'),
  architecture: 'llama',
  author: 'somebody',
  name: 'a delta',
  licence: 'Apache-2.0',
  parents: [],
}

interface Tensor {
  readonly name: string
  readonly sections: Readonly<Record<string, Uint8Array>>
}

/** Bytes that differ by seed, without a pattern that leaves could share by chance. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed + 1; i < length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = x >>> 24
  }
  return bytes
}

/** Stores tensors whose sections arrive in pieces, those of one tensor taking turns. */
async function write(
  blockstore: Blockstore,
  tensors: readonly Tensor[],
  piece = 300 * KIB,
): Promise<WrittenDelta> {
  const writer = createDeltaWriter(blockstore)
  for (const { name, sections } of tensors) {
    await writer.add(async (sink) => {
      const longest = Math.max(0, ...Object.values(sections).map(({ length }) => length))
      const buffer = new Uint8Array(piece)
      for (let at = 0; at < longest; at += piece) {
        for (const [section, bytes] of Object.entries(sections)) {
          const part = bytes.subarray(at, at + piece)
          buffer.set(part)
          await sink(section, buffer.subarray(0, part.length))
          buffer.fill(0xee)
        }
      }
      const spec = { name, dtype: 'BF16', shape: [2, 3] } as const
      return { spec, codec: 'bitdelta', parameters: { axis: 0 }, sha256: sha256(Buffer.from(name)) }
    })
  }
  return writer.finish(facts)
}

async function leavesBelow(blockstore: Blockstore, root: CID): Promise<string[]> {
  const leaves: string[] = []
  const visit = async (cid: CID): Promise<void> => {
    const { kind, links } = linksOf((await blockstore.get(cid))!, cid)
    if (kind === 'leaf') leaves.push(cid.toString())
    for (const link of links) await visit(link.cid)
  }
  await visit(root)
  return leaves
}

/** Signs that are always the same, long and short, and scales that are the seed's. */
function sibling(seed: number): Tensor[] {
  return Array.from({ length: 6 }, (_, i) => ({
    name: `layer.${i}`,
    sections: { signs: noise((i % 2) * 200 * KIB + 1000, i), scales: noise(8, seed + i) },
  }))
}

function smallTensor(name: string): Tensor {
  return { name, sections: { values: noise(4, 1) } }
}

describe('the blocks of a delta', () => {
  it('give back every section, whole and in part', async () => {
    const lengths = fc.oneof(
      fc.nat(300),
      fc.integer({ min: 63 * KIB, max: 66 * KIB }),
      fc.integer({ min: MIB - 2, max: MIB + 2 }),
      fc.constant(2 * MIB + 77),
    )
    const sectionLengths = fc.dictionary(fc.constantFrom('signs', 'scales', 'mask'), lengths)
    await fc.assert(
      fc.asyncProperty(
        fc.array(sectionLengths, { maxLength: 5 }),
        fc.integer({ min: 100 * KIB, max: 2 * MIB }),
        fc.nat(),
        async (shapes, piece, seed) => {
          const tensors = shapes.map((shape, i) => ({
            name: `layer.${i}`,
            sections: Object.fromEntries(
              Object.entries(shape).map(([name, length], j) => [
                name,
                noise(length, seed + 8 * i + j),
              ]),
            ),
          }))
          const blockstore = createMemoryBlockstore()
          const { cid, root, ownBytes, sizes } = await write(blockstore, tensors, piece)
          assert.equal(sizes.size, blockstore.size)
          assert.deepEqual(await measureDag(blockstore, cid), { ownBytes, closureBytes: ownBytes })
          const delta = await openDelta(blockstore, cid)
          assert.deepEqual(delta.root, root)
          assert.deepEqual(
            [...delta.tensors.keys()],
            tensors.map(({ name }) => name),
          )
          for (const { name, sections } of tensors) {
            const opened = delta.sections(name)
            assert.equal(opened.bytes('other'), 0)
            for (const [section, bytes] of Object.entries(sections)) {
              assert.equal(opened.bytes(section), bytes.length)
              assert.ok(Buffer.compare(await opened.read(section, 0, bytes.length), bytes) === 0)
              const [from, to] = [Math.floor(bytes.length / 3), Math.ceil(bytes.length / 1.5)]
              const part = await opened.read(section, from, to - from)
              assert.ok(Buffer.compare(part, bytes.subarray(from, to)) === 0)
              await assert.rejects(opened.read(section, 1, bytes.length), { id: 'E_BAD_SECTION' })
            }
          }
        },
      ),
      { numRuns: 15 },
    )
  })

  it('keep to the sizes of the format and hold one section name per leaf', async () => {
    const blockstore = createMemoryBlockstore()
    const tensors = Array.from({ length: 40 }, (_, i) => ({
      name: `layer.${String(i).padStart(2, '0')}`,
      sections: { signs: noise(60 * KIB, i), scales: noise(4, 100 + i) },
    }))
    const { root } = await write(blockstore, tensors)
    assert.equal(root.index.length, 1)
    const node = decodeIndex((await blockstore.get(root.index[0]!))!)
    assert.deepEqual(
      node.leaves.map(([, length]) => length),
      [17 * 60 * KIB, 40 * 4, 17 * 60 * KIB, 6 * 60 * KIB],
    )
  })

  it('start a leaf with every section of 64 KiB or more', async () => {
    const blockstore = createMemoryBlockstore()
    const tensors = [10, 64 * KIB, 20, MIB + 5].map((length, i) => ({
      name: `t${i}`,
      sections: { values: noise(length, i) },
    }))
    const { root } = await write(blockstore, tensors)
    const node = decodeIndex((await blockstore.get(root.index[0]!))!)
    assert.deepEqual(
      node.leaves.map(([, length]) => length),
      [30, 64 * KIB, MIB, 5],
    )
    assert.deepEqual(
      node.tensors.map(({ sections }) => sections['values']),
      [
        [0, 0, 10],
        [1, 0, 64 * KIB],
        [0, 10, 20],
        [2, 0, MIB + 5],
      ],
    )
  })

  it('are shared by siblings that differ in their scales only', async () => {
    const blockstore = createMemoryBlockstore()
    const one = await leavesBelow(blockstore, (await write(blockstore, sibling(100))).cid)
    const other = await leavesBelow(blockstore, (await write(blockstore, sibling(200))).cid)
    assert.equal(one.length, 5)
    assert.equal(one.filter((cid) => other.includes(cid)).length, 4)
  })

  it('are the same blocks whatever the pieces that sections came in', async () => {
    const tensors = [{ name: 'a', sections: { values: noise(MIB + 99, 1), mask: noise(99, 2) } }]
    const [one, other] = [createMemoryBlockstore(), createMemoryBlockstore()]
    const roots = [await write(one, tensors, 333), await write(other, tensors, 3 * MIB)]
    assert.equal(roots[0]!.cid.toString(), roots[1]!.cid.toString())
  })

  it('are cut into index nodes of at most 256 KiB, each with its own leaves', async () => {
    const blockstore = createMemoryBlockstore()
    const tensors = Array.from({ length: 2500 }, (_, i) => ({
      name: `model.layers.${String(i).padStart(4, '0')}.weight`,
      sections: { signs: noise(100, i), scales: noise(4, i) },
    }))
    const { cid, root } = await write(blockstore, tensors)
    assert.ok(root.index.length > 1)
    const nodes = await Promise.all(root.index.map((link) => blockstore.get(link)))
    assert.ok(nodes.every((bytes) => bytes!.length <= 256 * KIB))
    const delta = await openDelta(blockstore, cid)
    assert.equal(delta.tensors.size, 2500)
    const last = tensors.at(-1)!
    assert.deepEqual(await delta.sections(last.name).read('signs', 0, 100), last.sections.signs)
  })

  it('take tensors in the order of their names, each once', async () => {
    const blockstore = createMemoryBlockstore()
    await assert.rejects(write(blockstore, [smallTensor('b'), smallTensor('a')]), {
      id: 'E_TENSOR_ORDER',
    })
    await assert.rejects(write(blockstore, [smallTensor('b'), smallTensor('b')]), {
      id: 'E_TENSOR_ORDER',
    })
  })

  it('are stored one at a time, before their index node and the root', async () => {
    const order: string[] = []
    let busy = 0
    const memory = createMemoryBlockstore()
    const slow: Blockstore = {
      ...memory,
      async put(cid, bytes) {
        assert.equal(++busy, 1)
        await new Promise((resolve) => setImmediate(resolve))
        order.push(cid.code === RAW ? 'leaf' : 'node')
        await memory.put(cid, bytes)
        busy--
      },
    }
    await write(slow, [{ name: 'a', sections: { signs: noise(3 * MIB, 1), scale: noise(4, 2) } }])
    assert.deepEqual(order, ['leaf', 'leaf', 'leaf', 'leaf', 'node', 'node'])
  })

  it('are not finished when one of them cannot be stored', async () => {
    const memory = createMemoryBlockstore()
    const full = new Error('the disk is full')
    const broken: Blockstore = { ...memory, put: () => Promise.reject(full) }
    for (const length of [100, 100 * KIB, 3 * MIB]) {
      const tensors = [{ name: 'a', sections: { signs: noise(length, 1) } }]
      await assert.rejects(write(broken, tensors), full)
    }
  })

  it('describe a delta that changes nothing', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid } = await write(blockstore, [])
    assert.equal((await openDelta(blockstore, cid)).tensors.size, 0)
  })
})

describe('opening a delta', () => {
  const tensors = ['a', 'b'].map((name, i) => ({
    name,
    sections: { values: noise(100 * KIB, i), mask: noise(50, i) },
  }))

  /** A delta whose root or index was changed by its author, hashes and all. */
  async function forged(changes: {
    root?: (root: DeltaRoot) => object
    index?: (index: ReturnType<typeof decodeIndex>) => object
  }) {
    const blockstore = createMemoryBlockstore()
    const { root } = await write(blockstore, tensors)
    const store = async (value: unknown): Promise<CID> => {
      const bytes = encodeCanonical(value)
      await blockstore.put(cidOf(bytes), bytes)
      return cidOf(bytes)
    }
    const index = decodeIndex((await blockstore.get(root.index[0]!))!)
    const link = await store({ ...index, ...changes.index?.(index) })
    const told = { ...root, index: [link] }
    return openDelta(blockstore, await store({ ...told, ...changes.root?.(told) }))
  }

  it('is possible when nothing was changed', async () => {
    assert.equal((await forged({})).tensors.size, 2)
  })

  it('is refused when the root claims what its index does not hold', async () => {
    for (const root of [
      ({ tensors }: DeltaRoot) => ({ tensors: tensors + 1 }),
      ({ elements }: DeltaRoot) => ({ elements: elements * 2 }),
      ({ bytes }: DeltaRoot) => ({ bytes: bytes - 1 }),
      () => ({ codecs: { raw: 2 } }),
      ({ index }: DeltaRoot) => ({ index: [...index, ...index] }),
      () => ({ extra: true }),
    ]) {
      await assert.rejects(forged({ root }), { name: 'MalformedError' })
    }
  })

  it('is refused when it would be larger than anybody accepts', async () => {
    await assert.rejects(forged({ root: () => ({ bytes: 2 ** 40 }) }), {
      name: 'LimitError',
      id: 'E_DELTA_LIMIT',
    })
  })

  it('is refused when sections lie outside their leaves or on each other', async () => {
    for (const values of [
      [0, 0, 101 * KIB],
      [0, 100 * KIB, 1],
      [9, 0, 100 * KIB],
      [0, 1, 100 * KIB - 1],
      [0, -1, 100 * KIB],
    ]) {
      await assert.rejects(
        forged({
          index: ({ tensors: [first, ...rest] }) => ({
            tensors: [{ ...first, sections: { ...first!.sections, values } }, ...rest],
          }),
        }),
        { name: 'MalformedError' },
      )
    }
  })

  it('is refused when a tensor is there twice or a leaf is no leaf', async () => {
    const twice = forged({ index: ({ tensors: [a] }) => ({ tensors: [a, a] }) })
    await assert.rejects(twice, { name: 'MalformedError' })
    const node = forged({
      index: ({ leaves: [first, ...rest] }) => ({
        leaves: [[cidOfValue('not raw'), first![1]], ...rest],
      }),
    })
    await assert.rejects(node, { name: 'MalformedError' })
  })

  it('is refused when a block is missing, and reading when a leaf is', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid, root } = await write(blockstore, tensors)
    const without = (missing: CID): Blockstore => ({
      ...blockstore,
      get: async (asked) => (asked.equals(missing) ? undefined : blockstore.get(asked)),
    })
    const id = 'E_BLOCK_MISSING'
    await assert.rejects(openDelta(without(cid), cid), { id })
    await assert.rejects(openDelta(without(root.index[0]!), cid), { id })
    const leaf = cidOf(tensors[0]!.sections.values, RAW)
    const delta = await openDelta(without(leaf), cid)
    await assert.rejects(delta.sections('a').read('values', 5, 5), { id })
    assert.equal((await delta.sections('b').read('values', 5, 5)).length, 5)
    assert.throws(() => delta.sections('c'), { id: 'E_UNKNOWN_TENSOR' })
  })

  it('is refused when a store gives out other bytes', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid } = await write(blockstore, tensors)
    const value = decodeCanonical((await blockstore.get(cid))!) as object
    await blockstore.put(cid, encodeCanonical({ ...value, name: 'another' }))
    await assert.rejects(openDelta(blockstore, cid), { id: 'E_BLOCK_HASH' })
  })

  it('reads no leaf that has another length than its index says', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid } = await write(blockstore, tensors)
    const leaf = cidOf(tensors[0]!.sections.values, RAW)
    await blockstore.put(leaf, new Uint8Array(7))
    const delta = await openDelta(blockstore, cid)
    await assert.rejects(delta.sections('a').read('values', 0, 7), { id: 'E_BAD_LEAF' })
  })

  it('reads each leaf once for readers that go through it in small steps', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid } = await write(blockstore, tensors)
    let reads = 0
    const counting: Blockstore = {
      ...blockstore,
      get(asked) {
        reads++
        return blockstore.get(asked)
      },
    }
    const sections = (await openDelta(counting, cid)).sections('a')
    reads = 0
    for (let at = 0; at < 50; at++) {
      await Promise.all([sections.read('values', at * KIB, KIB), sections.read('mask', at, 1)])
    }
    assert.equal(reads, 2)
  })
})

describe('the links of a node', () => {
  it('tell the kind and, for leaves, the size of what is below', async () => {
    const blockstore = createMemoryBlockstore()
    const { cid, root } = await write(blockstore, [{ name: 'a', sections: { v: noise(99, 1) } }])
    const top = linksOf((await blockstore.get(cid))!, cid)
    assert.deepEqual(top, { kind: 'delta', links: [{ cid: root.index[0], kind: 'index' }] })
    const index = root.index[0]!
    const leaf = cidOf(noise(99, 1), RAW)
    assert.deepEqual(linksOf((await blockstore.get(index))!, index), {
      kind: 'index',
      links: [{ cid: leaf, kind: 'leaf', size: 99 }],
    })
    assert.deepEqual(linksOf(noise(99, 1), leaf), { kind: 'leaf', links: [] })
  })

  it('lead from a recipe to its deltas, which count for its closure only', async () => {
    const blockstore = createMemoryBlockstore()
    const delta = await write(blockstore, [{ name: 'a', sections: { v: noise(99, 1) } }])
    const recipe = encodeCanonical({
      version: 1,
      algorithm: 1,
      base: facts.base,
      mode: 'paper',
      root: { delta: delta.cid },
    })
    const cid = cidOf(recipe)
    await blockstore.put(cid, recipe)
    assert.deepEqual(linksOf(recipe, cid), {
      kind: 'recipe',
      links: [{ cid: delta.cid, kind: 'delta' }],
    })
    assert.deepEqual(await measureDag(blockstore, cid), {
      ownBytes: recipe.length,
      closureBytes: recipe.length + delta.ownBytes,
    })
  })

  it('are not made up for other dag-cbor', () => {
    for (const value of [1, null, [], {}, 'delta', facts.base, { kind: 'other' }, { leaves: 1 }]) {
      const bytes = encodeCanonical(value)
      assert.throws(() => linksOf(bytes, cidOf(bytes)), { name: 'MalformedError' })
    }
  })
})
