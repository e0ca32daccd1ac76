import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/integer.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, InvalidInputError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { hex } from './memory-tensor.ts'
import { naiveGroups, naiveIntegers, type NaiveIntegers } from './naive-integers.ts'
import { normalFloats, pseudoRandom } from './numbers.ts'

const delta = [0.1, -0.2, 0.3, -0.4]

describe('integer codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}, shape?: readonly number[]) =>
    encodeValues(kernels, codec, values, parameters, 'x', shape === undefined ? {} : { shape })

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  it('decodes the worked example of each scheme', async () => {
    const decode = async (scheme: string, bits: number) =>
      (await encode(delta, { scheme, bits, scale: 'F32' })).decoded
    // −0.2 is 63.5 steps: roundings to f32 decide between −63 and −64.
    nearly(await decode('symmetric', 8), [0.1007874, [-0.2015748, -0.1984252], 0.2992126, -0.4])
    nearly(await decode('symmetric', 4), [0.11428571, -0.22857143, 0.28571429, -0.4])
    // −0.4 is 7.5 steps.
    nearly(await decode('gptq', 4), [0.10666667, -0.21333333, 0.32, [-0.42666667, -0.37333333]])
    nearly(await decode('asymmetric', 4), [0.09333333, -0.18666667, 0.28, -0.42])
  })

  it('stores scales and zero points as planes, and codes from the lowest bit', async () => {
    const { stored, encoded } = await encode(delta, { scheme: 'asymmetric' })
    // Codes 11, 5, 15 and 0; 9 is BF16 4110 and 0.046630859375 is 3D3F, both turned left.
    assert.equal(hex(stored.get('codes')!), '005b0f')
    assert.equal(hex(stored.get('zeros')!), '00200082')
    assert.equal(hex(stored.get('scales')!), '007e007a')
    const group = { bits: 4, group: 128, scale: 'BF16' }
    assert.deepEqual(encoded.parameters, { ...group, scheme: 'asymmetric' })
    const symmetric = await encode(delta)
    assert.equal(hex(symmetric.stored.get('codes')!), '004a1d')
    assert.equal(symmetric.stored.has('zeros'), false)
  })

  for (const scale of ['F32', 'BF16', 'F16'] as const) {
    it(`is within half a step of every value with ${scale} scales, also where they have few bits`, async () => {
      for (const magnitude of scale === 'F16' ? [1, 1e-3, 1e-6] : [1, 1e-6, 1e-37, 1e-42]) {
        const values = normalFloats(1024, 2).map((value) => magnitude * value)
        for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
          const { decoded } = await encode(values, { bits, scale, group: 64 })
          const options: NaiveIntegers = { bits, group: 64, scheme: 'symmetric', dtype: scale }
          for (const { from, to, scale: step } of naiveGroups(values, options)) {
            for (let i = from; i < to; i++) {
              const error = Math.abs(decoded[i]! - values[i]!)
              // The product is rounded to f32, whose least spacing is 2⁻¹⁴⁹.
              const rounding = Math.abs(values[i]!) * 2 ** -22 + 2 ** -149
              assert.ok(error <= step / 2 + rounding, `${error} of ${step}`)
            }
          }
        }
      }
    })
  }

  it('takes a row as what shares the first index, and its rest as a group', async () => {
    const values = normalFloats(120, 3)
    for (const [shape, row] of [
      [[120], 120],
      [[6, 20], 20],
      [[4, 3, 5, 2], 30],
      [[1, 120], 120],
    ] as const) {
      for (const group of [0, 8, 128]) {
        const options = { bits: 4, group, scheme: 'asymmetric', row } as const
        const parameters = { bits: 4, group, scheme: 'asymmetric', scale: 'F32' }
        const { decoded } = await encode(values, parameters, shape)
        assert.deepEqual(decoded, [...naiveIntegers(values, options)])
      }
    }
  })

  it('streams groups that reach over blocks', async () => {
    const values = normalFloats(3 * 30_000, 1)
    for (const group of [0, 28_000]) {
      const parameters = { bits: 4, group, scheme: 'asymmetric', scale: 'F32' }
      const { decoded } = await encode(values, parameters, [3, 30_000])
      const options = { bits: 4, group, scheme: 'asymmetric', row: 30_000 } as const
      const expected = naiveIntegers(values, options)
      assert.equal(decoded.length, expected.length)
      assert.equal(
        decoded.findIndex((value, i) => value !== expected[i]),
        -1,
      )
    }
  })

  it('decodes a group of zeros to +0 and one element to itself', async () => {
    for (const scheme of ['symmetric', 'asymmetric', 'gptq']) {
      const { decoded } = await encode([0, -0, 0, 1, 2, 3], { scheme, group: 3 })
      assert.deepEqual(decoded.slice(0, 3), [0, 0, 0])
      assert.deepEqual((await encode([], { scheme })).decoded, [])
    }
    assert.deepEqual((await encode([-3], { bits: 8, scale: 'F32' })).decoded, [-3])
  })

  it('packs codes that have no entropy to spare', async () => {
    const random = pseudoRandom(5)
    const uniform = Float32Array.from({ length: 2 ** 18 }, () => Math.floor(random() * 15) - 7)
    const { stored } = await encode(uniform, { bits: 4, group: 0, scale: 'F32' })
    assert.ok(stored.get('codes')!.length <= 2 ** 18 / 2 + 4)
  })

  it('has no code for −2^(b−1) in the symmetric scheme', async () => {
    const values = Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? -1 : 1))
    const { decoded } = await encode(values, { bits: 2, scale: 'F32' })
    assert.deepEqual(decoded, values)
  })

  it('refuses scales that their dtype does not hold, and parameters out of range', async () => {
    await assert.rejects(
      encode([1e9], { scale: 'F16' }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
    for (const parameters of [{ bits: 1 }, { bits: 9 }, { bits: 2.5 }, { group: -1 }]) {
      await assert.rejects(encode([1], parameters), InvalidInputError)
    }
  })
})

type Expected = number | readonly [number, number]

function nearly(actual: readonly number[], expected: readonly Expected[]): void {
  assert.equal(actual.length, expected.length)
  for (const [i, either] of expected.entries()) {
    const values = typeof either === 'number' ? [either] : either
    const close = values.some((value) => Math.abs(actual[i]! - value) <= 1e-6 * Math.abs(value))
    assert.ok(close, `${actual[i]}, not ${values.join(' or ')}`)
  }
}
