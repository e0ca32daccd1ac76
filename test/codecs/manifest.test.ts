import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as dagCbor from '@ipld/dag-cbor'
import { cidOf, encodeCanonical, parseCid, RAW } from '../../src/canonical.ts'
import {
  MAX_INDEX_BYTES,
  MAX_INDEX_LEAVES,
  MAX_LEAF_BYTES,
  MAX_ROOT_BYTES,
} from '../../src/codecs/manifest/limits.ts'
import {
  checkContents,
  decodeIndex,
  decodeRoot,
  type DeltaRoot,
  encodeIndex,
  encodeRoot,
  type IndexedTensor,
  type IndexNode,
} from '../../src/codecs/manifest/manifest.ts'
import { LimitError, MalformedError } from '../../src/errors.ts'
import { hex } from './memory-tensor.ts'

const node = cidOf(encodeCanonical('node'))
const leaf = cidOf(Buffer.from('leaf'), RAW)

const root: DeltaRoot = {
  version: 1,
  kind: 'delta',
  base: node,
  post: node,
  architecture: 'llama',
  codecs: { bitdelta: 1, raw: 1 },
  tensors: 2,
  elements: 20,
  bytes: 26,
  index: [node],
  author: '12D3KooWexample',
  name: 'kana-light',
  licence: 'Apache-2.0',
  parents: [],
}

const index: IndexNode = {
  version: 1,
  tensors: [
    {
      name: 'layers.0.weight',
      dtype: 'BF16',
      shape: [4, 4],
      codec: 'bitdelta',
      parameters: { zeros: 'keep' },
      sections: { scale: [0, 2, 4], signs: [0, 0, 2] },
      sha256: new Uint8Array(32).fill(1),
    },
    {
      name: 'norm.weight',
      dtype: 'BF16',
      shape: [4],
      codec: 'raw',
      parameters: {},
      sections: { planes: [0, 6, 20] },
      sha256: new Uint8Array(32).fill(2),
    },
  ],
  leaves: [
    [leaf, 16],
    [leaf, 10],
  ],
}

function withTensor(change: Partial<Record<keyof IndexedTensor, unknown>>): unknown {
  return { ...index, tensors: [index.tensors[0], { ...index.tensors[1], ...change }] }
}

function refuses(decode: (bytes: Uint8Array) => unknown, value: unknown, pattern: RegExp): void {
  assert.throws(
    () => decode(dagCbor.encode(value)),
    (error) =>
      error instanceof MalformedError &&
      error.id === 'E_BAD_MANIFEST' &&
      error.message.length < 400 &&
      pattern.test(error.message),
  )
}

describe('delta manifest', () => {
  it('decodes what it encodes', () => {
    assert.deepEqual(decodeRoot(encodeRoot(root)), root)
    assert.deepEqual(decodeIndex(encodeIndex(index)), index)
    const { post: _, ...lossy } = root
    assert.deepEqual(decodeRoot(encodeRoot(lossy)), lossy)
  })

  it('has the bytes and CIDs of its vectors', () => {
    const vectors = JSON.parse(
      readFileSync(new URL('../vectors/manifest.json', import.meta.url), 'utf8'),
    ) as { comment: string; kind: 'root' | 'index'; bytes: string; cid: string }[]
    const values = [root, index]
    assert.equal(vectors.length, values.length)
    for (const [i, { kind, bytes, cid }] of vectors.entries()) {
      const stored = Buffer.from(bytes, 'hex')
      assert.deepEqual(kind === 'root' ? decodeRoot(stored) : decodeIndex(stored), values[i])
      assert.equal(hex(kind === 'root' ? encodeRoot(root) : encodeIndex(index)), bytes)
      assert.equal(cidOf(stored).toString(), parseCid(cid).toString())
    }
  })

  it('refuses an unknown version and names both', () => {
    for (const [decode, value] of [
      [decodeRoot, root],
      [decodeIndex, index],
    ] as const) {
      for (const version of [2, 0, '1', null]) {
        assert.throws(
          () => decode(dagCbor.encode({ ...value, version })),
          (error) =>
            error instanceof MalformedError &&
            error.id === 'E_VERSION' &&
            error.expected === 1 &&
            error.actual === version,
        )
      }
    }
    for (const value of [null, [], 7, 'delta']) {
      assert.throws(() => decodeRoot(dagCbor.encode(value)), MalformedError)
    }
  })

  it('refuses unknown, missing and ill-typed fields of a root', () => {
    refuses(decodeRoot, { ...root, other: 1 }, /other/)
    for (const field of Object.keys(root)) {
      if (field === 'version') continue
      refuses(decodeRoot, { ...root, [field]: true }, new RegExp(field))
      if (field === 'post') continue
      const { [field]: _, ...rest } = root as unknown as Record<string, unknown>
      refuses(decodeRoot, rest, new RegExp(field))
    }
    refuses(decodeRoot, { ...root, kind: 'recipe' }, /kind/)
    refuses(decodeRoot, { ...root, index: [leaf] }, /index/)
    refuses(decodeRoot, { ...root, base: leaf }, /base/)
    refuses(decodeRoot, { ...root, tensors: 1.5 }, /tensors/)
    refuses(decodeRoot, { ...root, bytes: -1 }, /bytes/)
    refuses(decodeRoot, { ...root, codecs: { '../raw': 1 } }, /codecs/)
    refuses(decodeRoot, { ...root, codecs: { raw: 0 } }, /codecs/)
    refuses(decodeRoot, { ...root, parents: Array(65).fill(node) }, /parents/)
  })

  it('refuses texts that are too long or could forge a line', () => {
    for (const field of ['name', 'author', 'licence', 'architecture']) {
      refuses(decodeRoot, { ...root, [field]: 'a'.repeat(129) }, new RegExp(field))
      refuses(decodeRoot, { ...root, [field]: 'a\nb' }, new RegExp(field))
      refuses(decodeRoot, { ...root, [field]: 'a\u202eb' }, new RegExp(field))
    }
    refuses(decodeRoot, { ...root, name: '' }, /name/)
    refuses(decodeRoot, { ...root, licence: '' }, /licence/)
  })

  it('refuses a tensor whose fields are out of range', () => {
    const bad: readonly (readonly [Partial<Record<keyof IndexedTensor, unknown>>, RegExp])[] = [
      [{ name: '' }, /name/],
      [{ name: 'ü'.repeat(257) }, /name/],
      [{ dtype: 'I64' }, /dtype/],
      [{ dtype: 'bf16' }, /dtype/],
      [{ shape: Array(9).fill(1) }, /shape/],
      [{ shape: [65_536, 65_536] }, /shape/],
      [{ shape: [2 ** 32, 0] }, /shape/],
      [{ shape: [-1] }, /shape/],
      [{ shape: [1.5] }, /shape/],
      [{ codec: 'Raw' }, /codec/],
      [{ codec: '__proto__' }, /codec/],
      [{ parameters: { seed: { a: 1 } } }, /parameters/],
      [{ parameters: { 'a b': 1 } }, /parameters/],
      [{ parameters: { a: 'x'.repeat(129) } }, /parameters/],
      [{ parameters: { a: Array(17).fill(1) } }, /parameters/],
      [
        { parameters: Object.fromEntries('abcdefghijklmnopq'.split('').map((c) => [c, 1])) },
        /param/,
      ],
      [{ sha256: new Uint8Array(31) }, /sha256/],
      [{ sha256: 'x' }, /sha256/],
      [{ extra: 1 } as object, /extra/],
    ]
    for (const [change, pattern] of bad) refuses(decodeIndex, withTensor(change), pattern)
  })

  it('refuses names that are out of order or twice', () => {
    refuses(decodeIndex, { ...index, tensors: index.tensors.toReversed() }, /order/)
    refuses(decodeIndex, withTensor({ name: index.tensors[0]!.name }), /twice/)
  })

  it('refuses sections that do not fill the leaves exactly', () => {
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [[0, 5, 20], /overlaps/],
      [[0, 7, 19], /gap/],
      [[0, 0, 26], /overlaps/],
      [[0, 6, 19], /fill/],
      [[0, 6, 21], /fill/],
      [[0, 6, 2 ** 52], /fill/],
      [[0, 6, 0], /sections/],
      [[0, 16, 10], /outside/],
      [[2, 0, 20], /outside/],
      [[2 ** 40, 0, 20], /outside/],
      [[0, -6, 20], /sections/],
      [[0, 6], /sections/],
      [[0, 6, 20, 1], /sections/],
    ]
    for (const [planes, pattern] of bad) {
      refuses(decodeIndex, withTensor({ sections: { planes } }), pattern)
    }
    refuses(decodeIndex, { ...index, tensors: [] }, /fill/)
    const nine = Object.fromEntries('abcdefghi'.split('').map((id, i) => [id, [0, 6 + i, 1]]))
    refuses(decodeIndex, withTensor({ sections: nine }), /sections/)
  })

  it('refuses leaves that are empty, too large, of another kind or too many', () => {
    for (const leaves of [
      [
        [leaf, 26],
        [leaf, 0],
      ],
      [[leaf, MAX_LEAF_BYTES + 1]],
      [[node, 26]],
      [[leaf]],
      [leaf],
    ]) {
      refuses(decodeIndex, { ...index, leaves }, /leaves/)
    }
    const many = Array.from({ length: MAX_INDEX_LEAVES + 1 }, () => [leaf, 1])
    refuses(decodeIndex, { ...index, leaves: many }, /leaves/)
  })

  it('refuses nodes above their size before it decodes them', () => {
    for (const [decode, max] of [
      [decodeRoot, MAX_ROOT_BYTES],
      [decodeIndex, MAX_INDEX_BYTES],
    ] as const) {
      assert.throws(
        () => decode(new Uint8Array(max + 1)),
        (error) => error instanceof LimitError && error.id === 'E_NODE_SIZE',
      )
      assert.throws(() => decode(new Uint8Array(max)), MalformedError)
    }
    const millionLeaves = dagCbor.encode({ ...index, leaves: Array(1_000_000).fill(0) })
    assert.throws(() => decodeIndex(millionLeaves), LimitError)
  })

  it('encodes nothing that it would not decode', () => {
    assert.throws(() => encodeRoot({ ...root, licence: 'x'.repeat(129) }), MalformedError)
    assert.throws(() => encodeIndex({ ...index, leaves: index.leaves.slice(1) }), MalformedError)
    assert.throws(() => encodeRoot({ ...root, index: Array(1600).fill(node) }), LimitError)
  })

  it('keeps names that objects have a meaning for', () => {
    const tensor = { ...index.tensors[1]!, name: '__proto__' }
    const renamed = { ...index, tensors: [tensor, index.tensors[0]!] }
    assert.deepEqual(decodeIndex(encodeIndex(renamed)), renamed)
  })

  it('refuses a root whose totals are not those of its index nodes', () => {
    const single: DeltaRoot = { ...root, index: [node] }
    checkContents(single, [index])
    const wrong: Partial<DeltaRoot>[] = [
      { index: [] },
      { tensors: 3 },
      { elements: 21 },
      { bytes: 27 },
      { codecs: { raw: 2 } },
      { codecs: { bitdelta: 1, raw: 1, sparse: 1 } },
    ]
    for (const change of wrong) {
      assert.throws(() => checkContents({ ...single, ...change }, [index]), MalformedError)
    }
    const twice: DeltaRoot = { ...root, index: [node, node], tensors: 4, elements: 40, bytes: 52 }
    assert.throws(
      () => checkContents({ ...twice, codecs: { bitdelta: 2, raw: 2 } }, [index, index]),
      /order/,
    )
  })
})
