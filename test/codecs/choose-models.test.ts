import assert from 'node:assert/strict'
import { chooseModels, readModels } from '../../src/codecs/raw/choose-models.ts'
import { MAX_MODELS } from '../../src/codecs/raw/exponent-models.ts'
import { chooseTables } from '../../src/codecs/raw/model-tables.ts'
import { valueAt, weightFormats } from '../../src/codecs/raw/ordered-values.ts'
import { fitSteps, stepModels } from '../../src/codecs/raw/step-models.ts'
import { studentBelow } from '../../src/codecs/raw/student.ts'
import { MalformedError } from '../../src/errors.ts'
import { weightDTypes } from '../../src/tensors/dtype.ts'
import { pseudoRandom, widenBytes } from './numbers.ts'

describe('models by exponent', () => {
  const random = pseudoRandom(12)
  const noCounts = (): Uint32Array => new Uint32Array(256 * 256)

  it('are read as they were stored, at most 32 of them', () => {
    for (const exponents of [1, 2, 20, 255]) {
      const counts = noCounts()
      for (let exponent = 0; exponent < exponents; exponent++) {
        const symbol = Math.floor(random() * 200)
        for (let i = 0; i < 500; i++) counts[exponent * 256 + symbol + (i % 50)]!++
      }
      const { bytes, models, map } = chooseModels('F32', counts)
      assert.equal(models.length, Math.min(exponents, MAX_MODELS))
      assert.deepEqual(readModels('F32', bytes), { models, map })
    }
  })

  it('are one where exponents do not differ, and none from no bytes', () => {
    const counts = noCounts()
    for (let exponent = 100; exponent < 120; exponent++)
      counts.fill(20, exponent * 256, exponent * 256 + 9)
    assert.equal(chooseTables(counts).models.length, 1)
    assert.deepEqual(readModels('BF16', new Uint8Array(0)).models, [])
  })

  it('are a distribution of five bytes where few weights moved as it says', () => {
    for (const dtype of weightDTypes) {
      const { bias } = weightFormats[dtype]
      const steps = {
        freedom: 2,
        quarters: -31,
        last: dtype === 'F32' ? 240 : 118,
        highest: bias - 3,
        exponents: 9,
      }
      const drawn = stepModels(dtype, steps)
      const counts = noCounts()
      for (const [i, values] of drawn.models.entries()) {
        for (const [symbol, value] of values.entries()) {
          counts[(steps.highest - i) * 256 + symbol] = value
        }
      }
      const { freedom, quarters, highest, exponents } = fitSteps(dtype, counts)
      assert.deepEqual(
        { freedom, quarters, highest, exponents },
        { freedom: 2, quarters: -31, highest: bias - 3, exponents: 9 },
      )
      const chosen = chooseModels(dtype, counts)
      assert.equal(chosen.bytes.length, 5)
      assert.deepEqual(readModels(dtype, chosen.bytes), { models: chosen.models, map: chosen.map })
    }
  })

  it('of a distribution have the share of each symbol that drawing weights gives', () => {
    // σ = 2⁻⁸ around bases of 2⁻⁸ to 2⁻⁷: some steps go through 0.
    const steps = { freedom: 3, quarters: -32, last: 118, highest: 119, exponents: 1 }
    const [values] = stepModels('BF16', steps).models
    const counts = new Float64Array(256)
    const draws = 100_000
    for (let i = 0; i < draws; i++) {
      const base = 119 * 128 + Math.floor(random() * 128)
      const post = placeOf(valueAt(weightFormats.BF16, base) + drawStudent(16) / 256)
      counts[symbolOf(post - base)]!++
    }
    for (const [symbol, value] of values!.entries()) {
      if (value < 80) continue
      const share = value / 4096
      // Five standard deviations, four bases for 128, and room for symbols that never occur.
      const error = 5 * Math.sqrt(share / draws) + 0.25 * share + 0.001
      assert.ok(
        Math.abs(counts[symbol]! / draws - share) < error,
        `symbol ${symbol}: ${counts[symbol]! / draws}, ${share}`,
      )
    }
  })

  it('are refused where bytes are hostile', () => {
    let refused = 0
    for (let attempt = 0; attempt < 600; attempt++) {
      const bytes = Uint8Array.from({ length: 1 + random() * 60 }, () => random() * 256)
      try {
        const { models, map } = readModels('F16', bytes)
        assert.ok(models.length <= MAX_MODELS && map.every((model) => model < models.length))
      } catch (error) {
        assert.ok(error instanceof MalformedError && error.id === 'E_BAD_ENCODING')
        refused++
      }
    }
    assert.ok(refused > 300)
  })

  it('of any distribution that can be stored have frequencies that add up', () => {
    for (let attempt = 0; attempt < 300; attempt++) {
      const [freedom, last] = [Math.floor(random() * 4), Math.floor(random() * 256)]
      const quarters = Math.floor(random() * 2048) - 1024
      const dtype = weightDTypes[attempt % 3]!
      const highest = Math.floor(random() * (weightFormats[dtype].exponents - 1))
      const steps = { freedom, quarters, last, highest, exponents: Math.min(2, highest + 1) }
      for (const values of stepModels(dtype, steps).models) {
        assert.equal(
          values.reduce((sum, value) => sum + value, 0),
          4096,
        )
        assert.ok(values.every((value, symbol) => value > 0 === symbol <= last))
      }
    }
  })

  /** Box and Muller for the normal, Marsaglia for the rest. */
  function drawStudent(freedom: number): number {
    const normal = (): number =>
      Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    let square = 0
    for (let i = 0; i < freedom; i++) square += normal() ** 2
    return normal() / Math.sqrt(square / freedom)
  }
})

describe('the distribution function of Student’s t', () => {
  it('is that of the tables', () => {
    for (const [freedom, t] of [
      [2, 4.302653],
      [4, 2.776445],
      [8, 2.306004],
      [16, 2.119905],
    ] as const) {
      assert.ok(Math.abs(studentBelow(t, freedom) - 0.975) < 1e-6)
      assert.ok(Math.abs(studentBelow(-t, freedom) - 0.025) < 1e-6)
    }
    assert.equal(studentBelow(0, 2), 0.5)
    assert.equal(studentBelow(Infinity, 2), 1)
    assert.equal(studentBelow(-1e200, 2), 0)
  })
})

describe('values in their order', () => {
  it('are those of the bit patterns', () => {
    for (const dtype of ['BF16', 'F16'] as const) {
      const patterns = Uint16Array.from({ length: 65_536 }, (_, pattern) => pattern)
      const values = widenBytes(dtype, Buffer.from(patterns.buffer))
      for (const [pattern, value] of values.entries()) {
        if (Number.isNaN(value)) continue
        const magnitude = pattern & 0x7fff
        const place = pattern === magnitude ? magnitude : -1 - magnitude
        assert.equal(valueAt(weightFormats[dtype], place), value)
        const middle = (value + valueAt(weightFormats[dtype], place + 1)) / 2
        if (Number.isFinite(middle)) {
          assert.equal(valueAt(weightFormats[dtype], place + 0.5) + 0, middle)
        }
      }
    }
  })
})

/** Of the BF16 value that is nearest. */
function placeOf(value: number): number {
  let [low, high] = [-0x7f80, 0x7f7f]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (valueAt(weightFormats.BF16, middle) <= value) low = middle
    else high = middle
  }
  const [down, up] = [low, high].map((place) => valueAt(weightFormats.BF16, place))
  return value - down! <= up! - value ? low : high
}

/** As `OrderedKernels` defines it, for a positive base. */
function symbolOf(difference: number): number {
  const magnitude = Math.abs(difference)
  const below = Math.max(0, Math.floor(Math.log2(magnitude || 1)) - 2)
  const token = magnitude < 8 ? magnitude : 4 * below + (magnitude >> below)
  return difference > 0 ? 2 * token - 1 : 2 * token
}
