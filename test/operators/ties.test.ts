import assert from 'node:assert/strict'
import type { Mode } from '../../src/operators/index.ts'
import { operator as ties } from '../../src/operators/ties.ts'
import { createRandom } from '../../src/random.ts'
import { runOnTensor, runOperator } from '../support/run-operator.ts'

const triplet = [
  [4, -1, 2, 0],
  [-3, -2, 1, 5],
  [1, 3, -6, 1],
]

interface Naive {
  readonly mode: Mode
  readonly density: number
  readonly weights?: readonly number[]
  readonly merge?: 'mean' | 'sum'
}

/** TIES over one vector in f64, step by step as the texts have it. */
function naive(
  inputs: readonly Float32Array[],
  { mode, density, weights, merge }: Naive,
): number[] {
  const trimmed = inputs.map((x) => {
    const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b)
    const keep = Math.floor(density * x.length)
    const least = Math.abs(x[order[keep] ?? order.at(-1)!]!)
    const kept =
      mode === 'official' ? order.filter((i) => Math.abs(x[i]!) >= least) : order.slice(0, keep)
    return Array.from(x, (value, i) => (kept.includes(i) ? value : 0))
  })
  const w = weights ?? inputs.map(() => 1)
  const vote = mode === 'mergekit' ? w : inputs.map(() => 1)
  const sums = trimmed[0]!.map((_, j) => trimmed.reduce((sum, x, i) => sum + vote[i]! * x[j]!, 0))
  const balance = sums.reduce((sum, value) => sum + Math.sign(value), 0)
  const zeroSign = mode !== 'mergekit' && balance < 0 ? -1 : 1
  return sums.map((sum, j) => {
    const elected = sum === 0 ? zeroSign : Math.sign(sum)
    const agree = [...w.keys()].filter((i) => {
      const signed = mode === 'mergekit' ? w[i]! * trimmed[i]![j]! : trimmed[i]![j]!
      return Math.sign(signed) === elected
    })
    const total = agree.reduce((all, i) => all + w[i]! * trimmed[i]![j]!, 0)
    const divisor = merge === 'sum' ? 1 : agree.reduce((all, i) => all + w[i]!, 0)
    return agree.length === 0 ? 0 : total / divisor
  })
}

function near(out: Float32Array, expected: readonly number[]): void {
  assert.equal(out.length, expected.length)
  expected.forEach((value, i) =>
    assert.ok(Math.abs(out[i]! - value) <= 1e-6 * Math.max(1, Math.abs(value)), `${i}: ${out[i]}`),
  )
}

describe('ties', () => {
  it('gives the worked example of each mode', async () => {
    near(await example('paper'), [4, 3, -6, 5])
    near(await example('paper', { merge: 'sum' }), [4, 3, -6, 5])
    near(await example('official'), [2.5, 3, -6, 3])
    const weights = [1, 0.5, 0.25]
    near(await example('mergekit', { weights }), [4, 3, 2, 5])
    near(await example('mergekit', { weights, merge: 'sum' }), [4, 0.75, 2, 2.5])
  })

  it('agrees with a naive version in f64, sums of zero included', async () => {
    const random = createRandom('ties')
    const inputs = Array.from({ length: 3 }, () =>
      Float32Array.from({ length: 301 }, () => (random.below(9) - 4) / 4),
    )
    for (const mode of ['paper', 'official', 'mergekit'] as const) {
      for (const weights of [undefined, [1, 2, 0.5]]) {
        for (const density of [0.2, 0.6, 1]) {
          const parameters = { density, ...(weights && { weights }) }
          const out = await runOnTensor(ties, inputs, { mode, parameters })
          near(out, naive(inputs, { mode, ...parameters }))
        }
      }
    }
  })

  it('gives a sum of zero the majority sign of the whole vector, + in a draw', async () => {
    near(await merged([1, -2, -3], [-1, -2, -3]), [-1, -2, -3])
    near(await merged([1, 2, -3], [-1, 2, -3]), [1, 2, -3])
    const sign = await runOperator(
      ties,
      [
        { a: Float32Array.of(1, 1), b: Float32Array.of(-1, -1, -1) },
        { a: Float32Array.of(-1, 1), b: Float32Array.of(-1, -1, -1) },
      ],
      { parameters: { density: 1 } },
    )
    near(sign.a!, [-1, 1]) // the majority is over both tensors
  })

  it('ranks each input over all tensors, or within each', async () => {
    const deltas = [{ a: Float32Array.of(10, 9, 8, 7), b: Float32Array.of(1, 2, 3, 4) }]
    const all = await runOperator(ties, deltas, { parameters: { density: 0.5 } })
    assert.deepEqual([...all.a!, ...all.b!], [10, 9, 8, 7, 0, 0, 0, 0])
    const options = { mode: 'mergekit', parameters: { density: 0.5 } } as const
    const each = await runOperator(ties, deltas, options)
    assert.deepEqual([...each.a!, ...each.b!], [10, 9, 0, 0, 0, 0, 3, 4])
  })

  it('multiplies by lambda last', async () => {
    const parameters = { density: 0.5, lambda: 0.5 }
    near(await runOnTensor(ties, triplet, { parameters }), [2, 1.5, -3, 2.5])
  })
})

function example(mode: Mode, parameters: object = {}): Promise<Float32Array> {
  return runOnTensor(ties, triplet, { mode, parameters: { density: 0.5, ...parameters } })
}

function merged(...inputs: number[][]): Promise<Float32Array> {
  return runOnTensor(ties, inputs, { parameters: { density: 1 } })
}
