import { type BitReader, type BitWriter, createBitWriter } from '../sections/bit-stream.ts'
import { badEncoding } from '../sections/encoding.ts'
import { EXPONENTS, type ExponentModels, MAX_MODELS, MODEL_BITS } from './exponent-models.ts'
import {
  costOf,
  type Frequencies,
  quantiseCounts,
  readFrequencies,
  writeFrequencies,
} from '../sections/frequencies.ts'

/**
 * Models whose frequencies are stored. Neighbouring exponents share one where the bits that two
 * would save are fewer than those of a second table.
 *
 * Stored are, in γ code, the number of models − 1; for each but the last the lowest exponent that
 * it serves, the first in 8 bits, the others as the difference from the one before − 1 in γ code;
 * and for each 2 bits of precision and its frequencies. The first serves the highest exponents.
 */
export interface ModelTables extends ExponentModels {
  readonly tables: readonly Frequencies[]
  /** Bits of all frequencies. */
  readonly tableBits: number
  /** Those and the bits of all symbols. */
  readonly cost: number
}

/** Precisions of frequencies that are tried. */
const PRECISIONS = [0, 1, 2, 3] as const

/** From the counts of 256 symbols under each of 256 exponents, of which one at least is not 0. */
export function chooseTables(counts: Uint32Array): ModelTables {
  const map = new Uint8Array(EXPONENTS)
  const chosen: Table[] = []
  for (let exponent = EXPONENTS - 1; exponent >= 0; exponent--) {
    const own = counts.subarray(exponent * 256, exponent * 256 + 256)
    if (own.some((count) => count > 0)) {
      const alone = tableOf(own)
      const last = chosen.at(-1)
      const joint = last && tableOf(own.map((count, symbol) => count + last.counts[symbol]!))
      const full = chosen.length === MAX_MODELS
      if (last && joint && (full || joint.cost <= last.cost + alone.cost)) {
        chosen[chosen.length - 1] = joint
      } else chosen.push(alone)
    }
    map[exponent] = Math.max(0, chosen.length - 1)
  }
  return {
    tables: chosen.map(({ frequencies }) => frequencies),
    models: chosen.map(({ frequencies }) => frequencies.values),
    map,
    tableBits: chosen.reduce((sum, { bits }) => sum + bits, 0),
    cost: chosen.reduce((sum, { cost }) => sum + cost, 0),
  }
}

export function writeTables(writer: BitWriter, { tables, map }: ModelTables): void {
  writer.writeGamma(tables.length - 1)
  let before = -1
  for (let model = 0; model < tables.length - 1; model++) {
    const lowest = map.indexOf(model)
    if (model === 0) writer.write(lowest, 8)
    else writer.writeGamma(before - lowest - 1)
    before = lowest
  }
  let previous: Frequencies | undefined
  for (const frequencies of tables) {
    writer.write(frequencies.precision, 2)
    writeFrequencies(writer, frequencies, previous)
    previous = frequencies
  }
}

/** Throws `MalformedError` `E_BAD_ENCODING` where the bits give no models. */
export function readTables(reader: BitReader): ExponentModels {
  const count = reader.readGamma() + 1
  if (count > MAX_MODELS) throw badEncoding('number of models', `at most ${MAX_MODELS}`, count)
  const map = readMap(reader, count)
  const tables: Frequencies[] = []
  for (let model = 0; model < count; model++) {
    tables.push(readFrequencies(reader, MODEL_BITS, reader.read(2), tables.at(-1)))
  }
  return { models: tables.map(({ values }) => values), map }
}

interface Table {
  readonly counts: Uint32Array
  readonly frequencies: Frequencies
  /** Of its frequencies. */
  readonly bits: number
  /** Bits of its symbols and of its frequencies. */
  readonly cost: number
}

/** With the precision that takes the fewest bits. */
function tableOf(counts: Uint32Array): Table {
  const candidates = PRECISIONS.map((precision): Table => {
    const frequencies = quantiseCounts(counts, MODEL_BITS, precision)
    const writer = createBitWriter()
    writeFrequencies(writer, frequencies)
    const bits = writer.length
    return { counts, frequencies, bits, cost: bits + costOf(counts, frequencies) }
  })
  return candidates.reduce((best, each) => (each.cost < best.cost ? each : best))
}

function readMap(reader: BitReader, count: number): Uint8Array {
  const map = new Uint8Array(EXPONENTS).fill(count - 1)
  let end = EXPONENTS
  for (let model = 0; model < count - 1; model++) {
    const lowest = model === 0 ? reader.read(8) : end - reader.readGamma() - 1
    if (lowest < 0) throw badEncoding('exponents of a model', 'at least 0', lowest)
    map.fill(model, lowest, end)
    end = lowest
  }
  return map
}
