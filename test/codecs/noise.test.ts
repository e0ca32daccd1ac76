import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/noise.ts'
import { halfNormalQuantiles } from '../../src/compute/half-normal.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { bytesOfFloats, sha256Hex } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('noise codec', () => {
  const kernels = openKernels()
  const count = 200_000
  const random = pseudoRandom(1)
  const delta = Float32Array.from({ length: count }, () => random() - 0.5)
  const mean = delta.reduce((sum, value) => sum + Math.abs(value), 0) / count
  const encode = (parameters = {}, name = 'x') =>
    encodeValues(kernels, codec, delta, parameters, name)

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  for (const [distribution, variance, cumulative] of [
    ['half-normal', Math.PI / 2 - 1, halfNormalCumulative],
    ['uniform', 1 / 3, (x: number) => Math.min(1, x / 2)],
  ] as const) {
    it(`draws ${distribution} magnitudes with mean AVG·c before true signs`, async () => {
      const { decoded } = await encode({ distribution, factor: 1.5 })
      const draws = decoded.map((value) => Math.abs(value) / (1.5 * mean))
      assert.ok(decoded.every((value, i) => Math.sign(value) === Math.sign(delta[i]!)))
      const average = draws.reduce((sum, draw) => sum + draw, 0) / count
      const spread = draws.reduce((sum, draw) => sum + (draw - 1) ** 2, 0) / count
      const fourth = draws.reduce((sum, draw) => sum + (draw - 1) ** 4, 0) / count
      assert.ok(Math.abs(average - 1) < 4 * Math.sqrt(variance / count), `mean ${average}`)
      const error = Math.sqrt((fourth - spread ** 2) / count)
      assert.ok(Math.abs(spread - variance) < 4 * error, `variance ${spread}`)
      // Kolmogorov–Smirnov: 1.95 ÷ √n is exceeded once in a thousand.
      const sorted = draws.toSorted((a, b) => a - b)
      const distance = Math.max(
        ...[...sorted.entries()]
          .filter(([i]) => i % 10 === 0)
          .map(([i, draw]) => Math.abs(cumulative(draw) - (i + 0.5) / count)),
      )
      assert.ok(distance < 1.95 / Math.sqrt(count), `distance ${distance}`)
    })
  }

  it('draws by seed and name, and stores neither magnitudes nor words', async () => {
    const one = await encode({ seed: 1 })
    assert.deepEqual((await encode({ seed: 1 })).decoded, one.decoded)
    const other = await encode({ seed: 2 })
    assert.notDeepEqual(other.decoded, one.decoded)
    assert.deepEqual(other.stored, one.stored)
    assert.notDeepEqual((await encode({ seed: 1 }, 'y')).decoded, one.decoded)
    assert.deepEqual([...one.stored.keys()], ['signs', 'scale'])
    assert.equal(one.stored.get('scale')!.length, 4)
    assert.deepEqual(one.encoded.parameters, {
      distribution: 'half-normal',
      seed: 1,
      zeros: 'keep',
    })
  })

  it('refuses a scale whose draws f32 cannot hold', async () => {
    await assert.rejects(
      encodeValues(kernels, codec, new Float32Array(10_000).fill(2e38)),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })
})

describe('half-normal quantiles', () => {
  const table = halfNormalQuantiles()

  it('are where the distribution of mean 1 takes their probabilities', () => {
    for (let i = 0; i < table.length - 1; i += 7) {
      const exceeded = (1 + (i % 128) / 128) * 2 ** (Math.floor(i / 128) - 33)
      const found = 1 - halfNormalCumulative(table[i]!)
      assert.ok(Math.abs(found - exceeded) < 1e-6 * exceeded + 1e-9)
    }
    assert.equal(table.at(-1), 0)
  })

  it('have mean 1 and variance π/2 − 1 within 10⁻⁵ when read linearly', () => {
    let [mean, square] = [0, 0]
    const probability = (i: number) => (1 + (i % 128) / 128) * 2 ** (Math.floor(i / 128) - 33)
    for (let i = 0; i < table.length - 1; i++) {
      const [a, b, share] = [table[i]!, table[i + 1]!, probability(i + 1) - probability(i)]
      mean += (share * (a + b)) / 2
      square += (share * (a * a + a * b + b * b)) / 3
    }
    assert.ok(Math.abs(mean - 1) < 1e-5)
    assert.ok(Math.abs(square - mean ** 2 - (Math.PI / 2 - 1)) < 1e-5)
  })

  it('are the same everywhere', () => {
    assert.equal(
      sha256Hex(bytesOfFloats(table)),
      '947ac5f75a44d88e89182c3f53ec3d148702e9e71d2992a2d15831e9a6b0de27',
    )
  })
})

/** P(|N(0, π/2)| < x) by Simpson's rule. */
function halfNormalCumulative(x: number): number {
  const sigma = Math.sqrt(Math.PI / 2)
  const steps = 400
  const density = (y: number) => Math.exp(-((y / sigma) ** 2) / 2)
  let sum = density(0) + density(x)
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density((i * x) / steps)
  return (Math.sqrt(2 / Math.PI) / sigma) * (x / steps / 3) * sum
}
