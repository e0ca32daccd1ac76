import assert from 'node:assert/strict'
import {
  fineTunePair,
  type FineTunePair,
  type PairKind,
} from '../../scripts/bench/fine-tune-pairs.ts'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { ParameterValues } from '../../src/parameters.ts'
import type { Registry } from '../../src/registry.ts'
import { collectSections, deltaTensor, memorySections } from './memory-tensor.ts'
import { entropyBits } from './numbers.ts'
import {
  grids,
  magnitudesOf,
  masked,
  planesOfSigns,
  scalesOf,
  type Series,
  signsOf,
} from './symbols.ts'

const kinds = ['dense', 'sparse'] as const

const COLUMNS = 1024
const ELEMENTS = COLUMNS * COLUMNS

/** What a codec stores of a tensor. */
type Stored = (delta: Float32Array, decoded: Float32Array) => Series

/** Codecs, parameters and what they store; `raw`, which knows the base, has a test of its own. */
const cases: readonly (readonly [codec: string, parameters: ParameterValues, Stored])[] = [
  ['bitdelta', {}, (delta) => signsOf(delta)],
  ['bitdelta', { zeros: 'plus' }, (delta) => signsOf(delta, 'plus')],
  ['bitdelta', { scales: 'row' }, (delta, out) => [...signsOf(delta), ...scalesOf(out, COLUMNS)]],
  ['bitdelta', { scales: 'group' }, (delta, out) => [...signsOf(delta), ...scalesOf(out, 128)]],
  ['noise', { distribution: 'uniform' }, (delta) => signsOf(delta)],
  ...[{}, { split: 'equal-width', blocks: 4 }, { split: 'lloyd', blocks: 8 }].map((use): Case => [
    'blocks',
    use,
    // A value tells sign, block and zero at once.
    (_, out) => [out],
  ]),
  ...[2, 3, 64].map((blocks) =>
    inBlocks('equal-count', blocks, () => Array.from({ length: ELEMENTS }, (_, i) => i % blocks)),
  ),
  ...[2, 4, 8, 16, 64].map((blocks) => inBlocks('equal-width', blocks, magnitudesOf)),
  ...[2, 4, 8].map((blocks) => inBlocks('lloyd', blocks, magnitudesOf)),
  ['residual', { bits: 3, fit: 'greedy' }, (delta) => planesOfSigns(delta, 3)],
  ['sparse', { values: 'BF16' }, (delta) => masked(delta, 'BF16')],
  ['sparse', { values: 'F16' }, (delta) => masked(delta, 'F16')],
  ['sparse', {}, (delta) => masked(delta, 'F32')],
  ...[0.5, 0.1, 0.01, 0.001].map((density): Case => [
    'ternary',
    { density },
    (_, out) => [...masked(out), ...signsOf(out.filter((value) => value !== 0))],
  ]),
  ...(
    [
      [2, 128, 'symmetric'],
      [4, 128, 'symmetric'],
      [4, 64, 'asymmetric'],
      [8, 0, 'gptq'],
    ] as const
  ).map(([bits, group, scheme]): Case => [
    'integer',
    { bits, group, scheme },
    (delta) => grids(delta, { bits, group, scheme, dtype: 'BF16', row: COLUMNS }),
  ]),
]

type Case = (typeof cases)[number]

const firstOfEach = cases.filter(
  ([codec], i) => cases.findIndex(([other]) => other === codec) === i,
)

function inBlocks(
  split: string,
  blocks: number,
  numbers: (decoded: Float32Array) => Iterable<number>,
): Case {
  const parameters = { split, blocks, zeros: 'plus' }
  return ['blocks', parameters, (delta, out) => [...signsOf(delta, 'plus'), numbers(out)]]
}

describe('sizes on fine-tunes of 1 Mi elements', () => {
  const kernels = openKernels()
  const pairs = new Map<PairKind, FineTunePair>()
  let codecs: Registry<Codec>
  before(async () => {
    codecs = await loadCodecs()
    for (const kind of kinds) {
      pairs.set(kind, fineTunePair({ elements: ELEMENTS, kind, dtype: 'BF16', seed: 1 }))
    }
  })

  it('are tested for every codec', () => {
    const tested = new Set(cases.map(([codec]) => codec))
    const elsewhere = ['low-rank', 'raw']
    assert.deepEqual([...tested, ...elsewhere].toSorted(), codecs.ids)
  })

  for (const kind of kinds) {
    for (const [codec, parameters, stored] of kind === 'dense' ? cases : firstOfEach) {
      const use = Object.entries(parameters).flat().join(' ')
      it(`follow the entropy of what is stored: ${codec} ${use} of ${kind} changes`, async () => {
        const pair = pairs.get(kind)!
        const { bytes, decoded } = await store(pair, codec, parameters)
        const bits = stored(pair.delta, decoded).map(entropyBits)
        const entropy = bits.reduce((sum, each) => sum + each, 0) / 8
        assert.ok(bytes <= 1.03 * entropy + 64, `${bytes} bytes, entropy ${entropy}`)
      })
    }
  }

  async function store(pair: FineTunePair, codec: string, parameters: ParameterValues) {
    const { sink, stored } = collectSections()
    const tensor = deltaTensor(kernels, pair)
    const encoded = await encodeTensor(tensor, { codec, parameters }, sink, { kernels, codecs })
    const reader = await codecs.get(codec).open(encoded, memorySections(stored), { kernels })
    const out = kernels.allocate(4 * ELEMENTS)
    await reader.read(out, ELEMENTS, out)
    const decoded = out.f32.slice(0, ELEMENTS)
    reader.close()
    kernels.release(out)
    const bytes = [...stored.values()].reduce((sum, section) => sum + section.length, 0)
    return { bytes, decoded }
  }
})
