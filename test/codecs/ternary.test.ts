import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/ternary.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, InvalidInputError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { hex } from './memory-tensor.ts'

/** The delta of ComPEFT's worked example, and its standard deviation with ddof = 1. */
const delta = [0.1, -0.2, 0.3, -0.4, 0.05, 0, -0.6, 0.7]
const std = 0.40570705

describe('ternary codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}) =>
    encodeValues(kernels, codec, values, parameters)

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  it('keeps exactly the share, times the deviation of all', async () => {
    const { decoded } = await encode(delta, { density: 0.25, magnitude: 'std' })
    nearly(decoded, [0, 0, 0, 0, 0, 0, -std, std])
  })

  it('keeps one more as the official code does, and all of its equals', async () => {
    const official = { density: 0.25, magnitude: 'std', count: 'official' }
    nearly((await encode(delta, official)).decoded, [0, 0, 0, -std, 0, 0, -std, std])
    const tied = await encode([1, -1, 1, 1], { density: 0.25, count: 'official' })
    assert.deepEqual(tied.decoded, [1, -1, 1, 1])
  })

  it('has the mean magnitude of what is kept unless told otherwise', async () => {
    nearly((await encode(delta, { density: 0.25 })).decoded, [0, 0, 0, 0, 0, 0, -0.65, 0.65])
    const half = { density: 0.25, factor: 0.5 }
    nearly((await encode(delta, half)).decoded, [0, 0, 0, 0, 0, 0, -0.325, 0.325])
  })

  it('takes the lowest index of equals', async () => {
    assert.deepEqual((await encode([1, 1, -1, 1], { density: 0.5 })).decoded, [1, 1, 0, 0])
    assert.deepEqual((await encode([-1, 1, 1, 1, 1], { density: 0.5 })).decoded, [-1, 1, 0, 0, 0])
  })

  it('keeps what is not zero at density 1, and refuses that of the official code', async () => {
    const all = await encode([0, 3, -1, 0], { density: 1 })
    assert.deepEqual(all.decoded, [0, 2, -2, 0])
    nearly((await encode(delta, { density: 1, magnitude: 'std' })).decoded, [
      std,
      -std,
      std,
      -std,
      std,
      0,
      -std,
      std,
    ])
    await assert.rejects(
      encode(delta, { density: 1, count: 'official' }),
      (error) => error instanceof InvalidInputError && error.id === 'E_NOTHING_DROPPED',
    )
  })

  it('stores a zero delta, one element and a share of none as zeros', async () => {
    for (const magnitude of ['mean', 'std']) {
      assert.deepEqual((await encode([0, 0, 0], { magnitude })).decoded, [0, 0, 0])
      assert.deepEqual((await encode(delta, { density: 0, magnitude })).decoded, Array(8).fill(0))
    }
    assert.deepEqual((await encode([-3], { density: 1 })).decoded, [-3])
    assert.deepEqual((await encode([-3], { density: 1, magnitude: 'std' })).decoded, [0])
  })

  it('stores signs and mask that do not depend on the magnitude', async () => {
    const [mean, deviation] = [
      await encode(delta, { density: 0.5 }),
      await encode(delta, { density: 0.5, magnitude: 'std', factor: 3 }),
    ]
    for (const section of ['mask', 'signs']) {
      assert.equal(hex(mean.stored.get(section)!), hex(deviation.stored.get(section)!))
    }
    assert.notEqual(hex(mean.stored.get('scale')!), hex(deviation.stored.get('scale')!))
    // 0.3, −0.4, −0.6 and 0.7 are kept, and their mean magnitude is 0.5.
    assert.equal(hex(mean.stored.get('mask')!), '00cc')
    assert.equal(hex(mean.stored.get('signs')!), '09')
    assert.equal(hex(mean.stored.get('scale')!), '0000003f')
  })

  it('refuses a magnitude that f32 does not hold', async () => {
    await assert.rejects(
      encode([3e38, 3e38], { density: 1, factor: 2 }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })
})

function nearly(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - value) <= 1e-6 * Math.abs(value), `${actual[i]}, not ${value}`)
  }
}
