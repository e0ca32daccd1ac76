import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/bitdelta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, MalformedError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { hex, memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('bitdelta codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}) =>
    encodeValues(kernels, codec, values, parameters)

  it('replaces magnitudes by their mean', async () => {
    const delta = [0.1, -0.2, 0.3, -0.4]
    const { stored, decoded } = await encode(delta)
    assert.deepEqual(decoded, [0.25, -0.25, 0.25, -0.25])
    const error = delta.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0)
    assert.ok(Math.abs(error - 0.05) < 1e-7)
    assert.deepEqual([...stored.keys()].toSorted(), ['scale', 'signs'])
    assert.equal(hex(stored.get('signs')!), '05')
    assert.equal(hex(stored.get('scale')!), '0000803e')
  })

  it('has its least squared error at factor 1', async () => {
    const delta = [0.1, -0.2, 0.3, -0.4]
    for (const [factor, expected] of [
      [0.5, 0.1125],
      [1, 0.05],
      [1.5, 0.1125],
      [2, 0.3],
    ] as const) {
      const { decoded } = await encode(delta, { factor })
      const error = delta.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0)
      assert.ok(Math.abs(error - expected) < 1e-6, `${factor}: ${error}`)
    }
  })

  it('keeps a zero or counts it as positive', async () => {
    const delta = [0, -0, 2, -4, 0, 0, 0, 0, 1, 1]
    const kept = await encode(delta)
    const mean = Math.fround(0.8)
    assert.deepEqual(kept.decoded, [0, 0, mean, -mean, 0, 0, 0, 0, mean, mean])
    assert.equal(hex(kept.stored.get('nonzero')!), '0c03')
    const plus = await encode(delta, { zeros: 'plus' })
    assert.deepEqual(
      plus.decoded,
      delta.map((value) => (value < 0 ? -mean : mean)),
    )
    assert.equal(plus.stored.get('nonzero'), undefined)
    assert.equal(hex(plus.stored.get('signs')!), hex(kept.stored.get('signs')!))
  })

  it('shares all bytes but the scale among re-scaled siblings', async () => {
    const random = pseudoRandom(1)
    const delta = Array.from({ length: 70_000 }, (_, i) => (i % 9 === 0 ? 0 : random() - 0.5))
    const one = await encode(delta)
    const half = await encode(delta, { factor: 0.5 })
    for (const section of ['signs', 'nonzero']) {
      assert.deepEqual(half.stored.get(section), one.stored.get(section))
    }
    assert.notDeepEqual(half.stored.get('scale'), one.stored.get('scale'))
    assert.deepEqual(half.encoded.parameters, one.encoded.parameters)
  })

  it('takes 1 bit per weight and keeps 1 − 2/π of a Gaussian’s energy as error', async () => {
    const random = pseudoRandom(2)
    const normal = () => Array.from({ length: 12 }, random).reduce((a, b) => a + b, -6)
    const delta = Float32Array.from({ length: 200_000 }, normal)
    const { stored, decoded } = await encode(delta)
    const bytes = [...stored.values()].reduce((sum, section) => sum + section.length, 0)
    assert.equal(bytes, 200_000 / 8 + 4)
    let [error, energy] = [0, 0]
    for (const [i, value] of delta.entries()) {
      error += (value - decoded[i]!) ** 2
      energy += value ** 2
    }
    assert.ok(Math.abs(error / energy - (1 - 2 / Math.PI)) < 0.01)
  })

  it('stores scale 0 for a zero delta and decodes it to +0 whatever the signs', async () => {
    const { stored, encoded } = await encode([0, 0, 0])
    assert.equal(hex(stored.get('scale')!), '00000000')
    assert.equal(stored.get('nonzero'), undefined)
    const negative = new Map(stored).set('signs', Uint8Array.of(0))
    const reader = await codec.open(encoded, memorySections(negative), { kernels })
    const out = kernels.allocate(12)
    await reader.read(out, 3, out)
    assert.deepEqual([...out.u32.subarray(0, 3)], [0, 0, 0])
    reader.close()
    kernels.release(out)
  })

  it('refuses a scale that is negative, −0, infinite or no number', async () => {
    const { stored, encoded } = await encode([1, -1])
    for (const scale of ['000080bf', '00000080', '0000807f', '0000c07f']) {
      const sections = memorySections(new Map(stored).set('scale', Buffer.from(scale, 'hex')))
      await assert.rejects(codec.open(encoded, sections, { kernels }), MalformedError)
    }
  })

  it('refuses a bit behind the last element', async () => {
    const { stored, encoded } = await encode([1, -1])
    const sections = memorySections(new Map(stored).set('signs', Uint8Array.of(0b101)))
    const reader = await codec.open(encoded, sections, { kernels })
    const out = kernels.allocate(8)
    await assert.rejects(reader.read(out, 2, out), MalformedError)
    reader.close()
    kernels.release(out)
  })

  it('refuses to encode a scale that f32 cannot hold', async () => {
    await assert.rejects(
      encode([3e38, 3e38], { factor: 4 }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
    assert.equal(kernels.allocated, 0)
  })
})
