import type { WeightDType } from '../../tensors/dtype.ts'
import type { BitReader, BitWriter } from '../sections/bit-stream.ts'
import { badEncoding } from '../sections/encoding.ts'
import { EXPONENTS, type ExponentModels, MAX_MODELS, MODEL_BITS } from './exponent-models.ts'
import { costOf, quantiseCounts } from '../sections/frequencies.ts'
import { powerOfTwo, valueAt, type WeightFormat, weightFormats } from './ordered-values.ts'
import { studentBelow } from './student.ts'

/**
 * Models of the differences that post − base has where it is σ times Student's t, whatever the
 * base: training moves weights of all sizes alike. How many representable steps that is follows
 * from the exponent of the base, so that a few numbers give the models of all exponents.
 *
 * Stored are: 2 bits that name the degrees of freedom among `FREEDOMS`; 4 log₂ σ + 1024 in 11 bits;
 * the last symbol that occurs and the highest exponent, in 8 bits each; the number of exponents − 1
 * in γ code, of which the lowest also serves those below it, the highest those above.
 */
export interface Steps {
  /** Index in `FREEDOMS`. */
  readonly freedom: number
  /** 4 log₂ σ. */
  readonly quarters: number
  readonly last: number
  readonly highest: number
  readonly exponents: number
}

/** From heavy tails to nearly normal. */
const FREEDOMS = [2, 4, 8, 16] as const

/** 2^(i/4), by roots, which are correctly rounded everywhere. */
const ROOTS = [1, Math.sqrt(Math.SQRT2), Math.SQRT2, Math.SQRT2 * Math.sqrt(Math.SQRT2)] as const

const QUARTERS_OFFSET = 1024

/** Bases of one exponent that stand for all: the middles of so many equal parts. */
const BASES = 4

/** The steps that make symbols of these counts shortest, with their bits. */
export function fitSteps(
  dtype: WeightDType,
  counts: Uint32Array,
): Steps & { readonly cost: number } {
  const format = weightFormats[dtype]
  const { rows, ...range } = rowsOf(counts)

  const costAt = (of: readonly Row[], freedom: number, quarters: number): number => {
    if (Math.abs(quarters) >= QUARTERS_OFFSET) return Infinity
    const steps = { ...range, freedom, quarters }
    return of.reduce((sum, row) => {
      const values = frequenciesOf(format, steps, row.exponent)
      return sum + costOf(row.counts, { bits: MODEL_BITS, last: range.last, values })
    }, 0)
  }

  // The commonest exponent alone says roughly how large steps are, between a fraction of what can
  // be represented and a multiple of the weights themselves; a few say exactly.
  const common = rows.toSorted((a, b) => b.total - a.total).slice(0, FITTED)
  const size = 4 * (common[0]!.exponent - format.bias)
  let best = { freedom: 1, quarters: size, cost: Infinity }
  for (let octave = -format.fractionBits - 4; octave <= 8; octave++) {
    const quarters = size + 4 * octave
    const cost = costAt(common.slice(0, 1), best.freedom, quarters)
    if (cost < best.cost) best = { ...best, quarters, cost }
  }
  best = { ...best, cost: Infinity }
  for (const freedom of FREEDOMS.keys()) {
    let own = { freedom, quarters: best.quarters, cost: costAt(common, freedom, best.quarters) }
    for (const direction of [1, -1]) {
      for (;;) {
        const quarters = own.quarters + direction
        const cost = costAt(common, freedom, quarters)
        if (!(cost < own.cost)) break
        own = { freedom, quarters, cost }
      }
    }
    if (own.cost < best.cost) best = own
  }
  return { ...range, ...best, cost: STORED_BITS + costAt(rows, best.freedom, best.quarters) }
}

/** Exponents that decide: together most weights have them. */
const FITTED = 3

/** About what steps take themselves. */
const STORED_BITS = 40

export function stepModels(dtype: WeightDType, steps: Steps): ExponentModels {
  const { freedom, quarters, last, highest, exponents } = steps
  const key = [dtype, freedom, quarters, last, highest, exponents].join()
  const known = made.get(key) ?? makeModels(dtype, steps)
  made.delete(key) // the order of a Map is that of insertion: last used comes last
  made.set(key, known)
  if (made.size > MOST_MADE) made.delete(made.keys().next().value!)
  return known
}

/**
 * The models asked for last, since a tensor is opened anew for every pass and every variant that
 * uses it, and making them takes longer than decoding a small one: 16 KiB each at most.
 */
const made = new Map<string, ExponentModels>()
const MOST_MADE = 512

function makeModels(dtype: WeightDType, steps: Steps): ExponentModels {
  const models: Uint16Array[] = []
  const map = new Uint8Array(EXPONENTS)
  for (let i = 0; i < steps.exponents; i++) {
    models.push(frequenciesOf(weightFormats[dtype], steps, steps.highest - i))
    map.fill(i, 0, steps.highest - i + 1)
  }
  return { models, map }
}

export function writeSteps(writer: BitWriter, steps: Steps): void {
  writer.write(steps.freedom, 2)
  writer.write(steps.quarters + QUARTERS_OFFSET, 11)
  writer.write(steps.last, 8)
  writer.write(steps.highest, 8)
  writer.writeGamma(steps.exponents - 1)
}

/** Throws `MalformedError` `E_BAD_ENCODING` for exponents that weights of the dtype never have. */
export function readSteps(dtype: WeightDType, reader: BitReader): Steps {
  const freedom = reader.read(2)
  const quarters = reader.read(11) - QUARTERS_OFFSET
  const last = reader.read(8)
  const highest = reader.read(8)
  const finite = weightFormats[dtype].exponents - 2
  if (highest > finite) throw badEncoding('highest exponent', `at most ${finite}`, highest)
  const exponents = reader.readGamma() + 1
  const most = Math.min(MAX_MODELS, highest + 1)
  if (exponents > most) throw badEncoding('number of exponents', `at most ${most}`, exponents)
  return { freedom, quarters, last, highest, exponents }
}

interface Row {
  readonly exponent: number
  readonly counts: Uint32Array
  readonly total: number
}

/** Exponents that occur and their counts; too low ones count as the lowest that has a model. */
function rowsOf(counts: Uint32Array) {
  const rows: Row[] = []
  let [last, highest, lowest] = [0, 0, 0]
  for (let exponent = EXPONENTS - 1; exponent >= 0; exponent--) {
    const own = counts.slice(exponent * 256, exponent * 256 + 256)
    const total = own.reduce((sum, count) => sum + count, 0)
    if (total === 0) continue
    if (rows.length === 0) highest = exponent
    lowest = Math.max(exponent, highest - MAX_MODELS + 1)
    last = Math.max(
      last,
      own.findLastIndex((count) => count > 0),
    )
    rows.push({ exponent: lowest, counts: own, total })
  }
  return { rows, last, highest, exponents: highest - lowest + 1 }
}

/** Every symbol up to the last has a frequency, also where no part's middle gives it a share. */
function frequenciesOf(format: WeightFormat, steps: Steps, exponent: number): Uint16Array {
  const shares = sharesOf(format, steps, exponent)
  const counts = new Uint32Array(256)
  for (let symbol = 0; symbol <= steps.last; symbol++) {
    counts[symbol] = 1 + Math.floor(shares[symbol]! * 2 ** 24)
  }
  return quantiseCounts(counts, MODEL_BITS, MODEL_BITS).values
}

function sharesOf(format: WeightFormat, steps: Steps, exponent: number): Float64Array {
  const { quarters, last } = steps
  const freedom = FREEDOMS[steps.freedom]!
  const sigma = powerOfTwo(Math.floor(quarters / 4)) * ROOTS[quarters & 3]!
  const shares = new Float64Array(256)
  /** A difference of rounded shares may fall below 0. */
  const add = (symbol: number, share: number): void => {
    shares[symbol] = shares[symbol]! + Math.max(0, share)
  }
  const unit = 2 ** format.fractionBits
  for (let part = 0; part < BASES; part++) {
    const base = exponent * unit + ((2 * part + 1) * unit) / (2 * BASES)
    const from = valueAt(format, base)
    /** That the post-trained value rounds to this place or one below it. */
    const below = (place: number): number =>
      studentBelow((valueAt(format, place + 0.5) - from) / sigma, freedom)
    let [above, beneath] = [below(base), below(base - 1)]
    add(0, above - beneath)
    for (let token = 1; 2 * token - 1 <= last; token++) {
      const reach = smallestOf(token + 1) - 1
      const [up, down] = [below(base + reach), below(base - reach - 1)]
      add(2 * token - 1, up - above)
      add(2 * token, beneath - down)
      above = up
      beneath = down
    }
  }
  return shares
}

/** The smallest magnitude that has this token (`OrderedKernels`). */
function smallestOf(token: number): number {
  const below = Math.max(0, (token >> 2) - 1)
  return (token - 4 * below) * 2 ** below
}
