import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/sparse.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, InvalidInputError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { hex } from './memory-tensor.ts'
import { naiveMask } from './numbers.ts'

describe('sparse codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}, name = 'x') =>
    encodeValues(kernels, codec, values, parameters, name)

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  it('stores which values are not zero, and those as byte planes', async () => {
    const { stored, decoded, encoded } = await encode([0, 1, 0, 0, -2, 0, 0, 0, 0, 0.5])
    // Gaps of 1, 2 and 4 zeros at order 1; then 3F800000, C0000000 and 3F000000, turned left.
    assert.equal(hex(stored.get('mask')!), '018b00')
    assert.equal(hex(stored.get('values')!), '0100010000000000017f807e')
    assert.deepEqual(decoded, [0, 1, 0, 0, -2, 0, 0, 0, 0, 0.5])
    assert.deepEqual(encoded.parameters, { mask: 'explicit', values: 'F32', kept: 3 })
  })

  it('rounds values to nearest even in the dtype it stores', async () => {
    const halves = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, -(2 ** -26)]
    const { decoded } = await encode(halves, { values: 'F16' })
    assert.deepEqual(decoded, [1, 1 + 2 ** -9, 0, -0])
    const bf16 = await encode([1 + 2 ** -8, 1 + 3 * 2 ** -8], { values: 'BF16' })
    assert.deepEqual(bf16.decoded, [1, 1 + 2 ** -6])
  })

  it('stores no mask that a seed gives', async () => {
    const [name, drop, count] = ['model.layers.1.weight', 0.9, 10_000]
    const mask = naiveMask(3, name, drop, count)
    const values = Float32Array.from(mask, (kept, i) => (kept === 1 ? i + 1 : 0))
    const use = { mask: 'seeded', seed: 3, drop }
    const { stored, decoded, encoded } = await encode(values, use, name)
    assert.deepEqual([...stored.keys()], ['values'])
    const kept = mask.reduce((sum, bit) => sum + bit, 0)
    assert.deepEqual(encoded.parameters, { ...use, values: 'F32', kept })
    assert.deepEqual(decoded, [...values])
  })

  it('stores zeros that the mask keeps', async () => {
    const all = await encode(new Float32Array(8), { mask: 'seeded', drop: 0 })
    assert.equal(all.encoded.parameters['kept'], 8)
    const none = await encode(new Float32Array(8), { mask: 'seeded', drop: 1 })
    assert.equal(none.stored.size, 0)
  })

  it('names the first element that is not zero where the mask drops', async () => {
    const mask = naiveMask(3, 'x', 0.5, 200_000)
    const values = new Float32Array(200_000)
    const wrong = mask.findIndex((kept, i) => i > 70_000 && kept === 0)
    values[wrong] = 2
    values[mask.findIndex((kept, i) => i > wrong && kept === 0)] = 3
    await assert.rejects(
      encode(values, { mask: 'seeded', seed: 3, drop: 0.5 }),
      (error) =>
        error instanceof IncompatibleError &&
        error.id === 'E_MASK' &&
        error.details['element'] === wrong &&
        error.actual === 2,
    )
  })

  it('refuses to round a value to infinity', async () => {
    assert.deepEqual((await encode([65_519], { values: 'F16' })).decoded, [65_504])
    await assert.rejects(
      encode([1, 65_520], { values: 'F16' }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })

  it('refuses parameters out of range', async () => {
    for (const parameters of [{ drop: 1.1 }, { seed: -1 }, { seed: 0.5 }, { values: 'F64' }]) {
      await assert.rejects(encode([1], parameters), InvalidInputError)
    }
  })
})
