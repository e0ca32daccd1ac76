import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { type CodecCase, codecContract } from '../contract/codec.ts'
import { naiveIntegers } from './naive-integers.ts'
import { naiveTernary } from './naive-ternary.ts'
import { naiveMask, roundHalf } from './numbers.ts'

const codecs = await loadCodecs()

/** Ways to use each codec; a codec without a line here fails below. */
const cases = new Map<string, readonly CodecCase[]>([
  ['raw', [{ parameters: {} }]],
  [
    'bitdelta',
    [
      { parameters: {}, decoded: (_, delta) => signTimesMean(delta, 1, 'keep') },
      {
        parameters: { factor: 0.5, zeros: 'plus' },
        decoded: (_, delta) => signTimesMean(delta, 0.5, 'plus'),
      },
      { parameters: { factor: 0 }, decoded: (_, delta) => new Float32Array(delta.length) },
    ],
  ],
  [
    'low-rank',
    [
      {
        parameters: { rank: 2, values: 'F32' },
        prepare: rankTwo,
        shape: matrixShape,
        tolerance: 1e-5,
      },
      { parameters: { rank: 3 }, prepare: rankTwo, shape: matrixShape, tolerance: 0.01 },
    ],
  ],
  [
    'sparse',
    [
      { parameters: {}, decoded: (_, delta) => delta.map((value) => value + 0) },
      {
        parameters: { values: 'BF16' },
        decoded: (_, delta) => delta.map((value) => (value === 0 ? 0 : roundHalf('BF16', value))),
      },
      {
        parameters: { values: 'F16' },
        prepare: (_, delta) => delta.map((value) => value / 2 ** 20),
        decoded: (_, delta) => delta.map((value) => (value === 0 ? 0 : roundHalf('F16', value))),
      },
      {
        parameters: { mask: 'seeded', seed: 7, drop: 0.5 },
        prepare: (name, delta) => {
          const mask = naiveMask(7, name, 0.5, delta.length)
          return delta.map((value, i) => (mask[i] === 1 ? value : 0))
        },
      },
    ],
  ],
  [
    'ternary',
    [
      { parameters: {}, decoded: (_, delta) => naiveTernary(delta, { density: 0.2 }) },
      {
        parameters: { density: 0.5, magnitude: 'std', factor: 2, count: 'official' },
        decoded: (_, delta) =>
          naiveTernary(delta, { density: 0.5, std: true, factor: 2, official: true }),
      },
      { parameters: { density: 1 }, decoded: (_, delta) => naiveTernary(delta, { density: 1 }) },
      { parameters: { density: 0 }, decoded: (_, delta) => new Float32Array(delta.length) },
    ],
  ],
  [
    'integer',
    [
      {
        parameters: { scale: 'F32' },
        decoded: (_, delta) => naiveIntegers(delta, { bits: 4, group: 128, scheme: 'symmetric' }),
      },
      {
        parameters: { bits: 3, group: 100, scheme: 'asymmetric', scale: 'F32' },
        decoded: (_, delta) => naiveIntegers(delta, { bits: 3, group: 100, scheme: 'asymmetric' }),
      },
      {
        parameters: { bits: 8, group: 0, scheme: 'gptq', scale: 'F32' },
        decoded: (_, delta) => naiveIntegers(delta, { bits: 8, group: 0, scheme: 'gptq' }),
      },
      {
        parameters: { bits: 2, group: 7, scheme: 'asymmetric' },
        decoded: (_, delta) =>
          naiveIntegers(delta, { bits: 2, group: 7, scheme: 'asymmetric', dtype: 'BF16' }),
      },
    ],
  ],
])

describe('codecs', () => {
  it('are these', () => {
    assert.deepEqual(codecs.ids, ['bitdelta', 'integer', 'low-rank', 'raw', 'sparse', 'ternary'])
  })
})

for (const id of codecs.ids) codecContract(codecs.get(id), cases.get(id) ?? [])

/** The most square shape of that many elements, 0 by 7 for none. */
function matrixShape(count: number): readonly number[] {
  let rows = Math.floor(Math.sqrt(count))
  while (rows > 1 && count % rows !== 0) rows--
  return count === 0 ? [0, 7] : [rows, count / rows]
}

/** A matrix of rank 2 in place of the delta. */
function rankTwo(_name: string, delta: Float32Array): Float32Array {
  const [rows = 0, columns = 0] = matrixShape(delta.length)
  return delta.map((_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns]
    return Math.cos(i) * Math.sin(j + 1) + (i / rows) * Math.cos(3 * j)
  })
}

function signTimesMean(delta: Float32Array, factor: number, zeros: 'keep' | 'plus'): Float32Array {
  let sum = 0
  for (let from = 0; from < delta.length; from += BLOCK_ELEMENTS) {
    sum += delta
      .subarray(from, from + BLOCK_ELEMENTS)
      .reduce((total, value) => total + Math.abs(value), 0)
  }
  const scale = Math.fround(factor * (sum / delta.length))
  return delta.map((value) =>
    value > 0 || (value === 0 && zeros === 'plus') ? scale : value < 0 ? -scale : 0,
  )
}
