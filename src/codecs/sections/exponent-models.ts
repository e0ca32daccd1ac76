import { modelBytes } from '../../compute/kernels/entropy.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { type BitReader, createBitReader, createBitWriter } from './bit-stream.ts'
import { badEncoding } from './encoding.ts'
import {
  costOf,
  type Frequencies,
  quantiseCounts,
  readFrequencies,
  writeFrequencies,
} from './frequencies.ts'

/**
 * Which model codes a difference whose base has a given exponent. Neighbouring exponents share a model
 * where the bits that two would save are fewer than those of a second table; so do all of a tensor
 * with few elements.
 *
 * Stored are, in γ code, the number of models − 1; for each but the last the lowest exponent that it
 * serves, the first in 8 bits, the others as the difference from the one before − 1 in γ code; and for
 * each 2 bits of precision and its frequencies. The first serves the highest exponents.
 */
export interface ExponentModels {
  readonly models: readonly Frequencies[]
  /** The model of each of 256 exponents. */
  readonly map: Uint8Array
}

/** More than any models take: each at most 12 bits for each of 256 symbols and 10 bytes. */
export const MAX_MODELS_BYTES = 16_384

/** A model of 12 bits takes 5 KiB; all that are in use at once stay in the second-level cache. */
export const MODEL_BITS = 12

/** Weights of one tensor have some 20 exponents. */
export const MAX_MODELS = 32

/** Of BF16 and F32; F16 has 32. */
export const EXPONENTS = 256

/** Precisions of frequencies that are tried. */
const PRECISIONS = [0, 1, 2, 3] as const

/** From the counts of 256 symbols under each of 256 exponents; no models where all are 0. */
export function chooseModels(counts: Uint32Array): ExponentModels {
  const map = new Uint8Array(EXPONENTS)
  const models: Model[] = []
  for (let exponent = EXPONENTS - 1; exponent >= 0; exponent--) {
    const own = counts.subarray(exponent * 256, exponent * 256 + 256)
    if (own.some((count) => count > 0)) {
      const alone = modelOf(own)
      const last = models.at(-1)
      const joint = last && modelOf(own.map((count, symbol) => count + last.counts[symbol]!))
      const full = models.length === MAX_MODELS
      if (last && joint && (full || joint.cost <= last.cost + alone.cost)) {
        models[models.length - 1] = joint
      } else models.push(alone)
    }
    map[exponent] = Math.max(0, models.length - 1)
  }
  return { models: models.map(({ frequencies }) => frequencies), map }
}

export function writeModels({ models, map }: ExponentModels): Uint8Array {
  const writer = createBitWriter()
  writer.writeGamma(models.length - 1)
  let before = -1
  for (let model = 0; model < models.length - 1; model++) {
    const lowest = map.indexOf(model)
    if (model === 0) writer.write(lowest, 8)
    else writer.writeGamma(before - lowest - 1)
    before = lowest
  }
  let previous: Frequencies | undefined
  for (const frequencies of models) {
    writer.write(frequencies.precision, 2)
    writeFrequencies(writer, frequencies, previous)
    previous = frequencies
  }
  return writer.bytes()
}

/**
 * No models from no bytes. Throws `MalformedError` `E_BAD_ENCODING` unless `bytes` is exactly what some
 * models are stored as.
 */
export function readModels(bytes: Uint8Array): ExponentModels {
  if (bytes.length === 0) return { models: [], map: new Uint8Array(EXPONENTS) }
  const reader = createBitReader(bytes)
  const count = reader.readGamma() + 1
  if (count > MAX_MODELS) throw badEncoding('number of models', `at most ${MAX_MODELS}`, count)
  const map = readMap(reader, count)
  const models: Frequencies[] = []
  for (let model = 0; model < count; model++) {
    models.push(readFrequencies(reader, MODEL_BITS, reader.read(2), models.at(-1)))
  }
  if (reader.used !== bytes.length) throw badEncoding('bytes of models', reader.used, bytes.length)
  return { models, map }
}

export function modelsBytes({ models }: ExponentModels): number {
  return models.length * modelBytes(MODEL_BITS)
}

/** Fills `into`, of `modelsBytes`, with the models one behind the other, and `map`. */
export function loadModels(
  kernels: Kernels,
  chosen: ExponentModels,
  into: Region,
  map: Region,
): void {
  for (const [i, { values }] of chosen.models.entries()) {
    kernels.buildModel(values, into, i, MODEL_BITS)
  }
  map.u8.set(chosen.map)
}

interface Model {
  readonly counts: Uint32Array
  readonly frequencies: Frequencies
  /** Bits of its symbols and of its frequencies. */
  readonly cost: number
}

/** With the precision that takes the fewest bits. */
function modelOf(counts: Uint32Array): Model {
  const candidates = PRECISIONS.map((precision): Model => {
    const frequencies = quantiseCounts(counts, MODEL_BITS, precision)
    const writer = createBitWriter()
    writeFrequencies(writer, frequencies)
    return { counts, frequencies, cost: writer.length + costOf(counts, frequencies) }
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
