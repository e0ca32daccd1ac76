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
import { blocksOf, grids, masked, planesOfSigns, scalesOf, signsOf } from './symbols.ts'

const COLUMNS = 1024
const ELEMENTS = COLUMNS * COLUMNS

/** What a codec stores of a tensor, as series of symbols that know nothing of each other. */
type Symbols = (delta: Float32Array, decoded: Float32Array) => readonly Iterable<number>[]

/** Codecs, parameters and what they store; `raw`, which knows the base, has a test of its own. */
const cases: readonly (readonly [codec: string, parameters: ParameterValues, Symbols])[] = [
  ['bitdelta', {}, (delta) => signsOf(delta)],
  ['bitdelta', { zeros: 'plus' }, (delta) => signsOf(delta, 'plus')],
  ['bitdelta', { scales: 'row' }, (delta, out) => [...signsOf(delta), ...scalesOf(out, COLUMNS)]],
  ['bitdelta', { scales: 'group' }, (delta, out) => [...signsOf(delta), ...scalesOf(out, 128)]],
  ['noise', { distribution: 'uniform' }, (delta) => signsOf(delta)],
  ...([2, 3, 16] as const).map((blocks) => ofBlocks('equal-count', blocks)),
  ...([2, 4, 8, 16] as const).map((blocks) => ofBlocks('equal-width', blocks)),
  ...([2, 4, 8] as const).map((blocks) => ofBlocks('lloyd', blocks)),
  ['residual', { bits: 3, fit: 'greedy' }, (delta) => planesOfSigns(delta, 3)],
  ['sparse', { values: 'BF16' }, (delta) => masked(delta, 'BF16')],
  ['sparse', { values: 'F16' }, (delta) => masked(delta, 'F16')],
  ['sparse', {}, (delta) => masked(delta, 'F32')],
  ...([0.5, 0.1, 0.01] as const).map((density): (typeof cases)[number] => [
    'ternary',
    { density },
    (_delta, out) => [...masked(out), ...signsOf(out.filter((value) => value !== 0))],
  ]),
  ...([
    [2, 128, 'symmetric'],
    [4, 128, 'symmetric'],
    [4, 64, 'asymmetric'],
    [8, 0, 'gptq'],
  ] as const).map(([bits, group, scheme]): (typeof cases)[number] => [
    'integer',
    { bits, group, scheme },
    (delta) => grids(delta, { bits, group, scheme, dtype: 'BF16', row: COLUMNS }),
  ]),
]

function ofBlocks(split: string, blocks: number): (typeof cases)[number] {
  return ['blocks', { split, blocks }, (delta, out) => [...signsOf(delta), ...blocksOf(out)]]
}

describe('sizes on fine-tunes of 1 Mi elements', function () {
  const kernels = openKernels()
  let codecs: Registry<Codec>
  const pairs = new Map<PairKind, FineTunePair>()
  before(async () => {
    codecs = await loadCodecs()
    for (const kind of ['dense', 'sparse'] as const) {
      pairs.set(kind, fineTunePair({ elements: ELEMENTS, kind, dtype: 'BF16', seed: 1 }))
    }
  })

  for (const kind of ['dense', 'sparse'] as const) {
    for (const [codec, parameters, symbols] of cases) {
      it(`${codec} with ${JSON.stringify(parameters)} takes the entropy of what it stores: ${kind}`, async () => {
        const pair = pairs.get(kind)!
        const { bytes, decoded } = await store(pair, codec, parameters)
        const bits = symbols(pair.delta, decoded).map(entropyBits)
        const entropy = bits.reduce((sum, each) => sum + each, 0) / 8
        console.log(kind, codec, JSON.stringify(parameters), (bytes/entropy).toFixed(4), bits.map(b=>(b/ELEMENTS).toFixed(3)).join(' '), (8*bytes/ELEMENTS).toFixed(3))
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
