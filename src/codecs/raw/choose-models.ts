import type { WeightDType } from '../../tensors/dtype.ts'
import { createBitReader, createBitWriter } from '../sections/bit-stream.ts'
import { badEncoding } from '../sections/encoding.ts'
import { EXPONENTS, type ExponentModels } from './exponent-models.ts'
import { chooseTables, readTables, writeTables } from './model-tables.ts'
import { fitSteps, readSteps, stepModels, writeSteps } from './step-models.ts'

/**
 * Models are of one of two families, whichever is shorter with the symbols of a tensor: tables of
 * frequencies (`model-tables.ts`), which fit anything, or a distribution of a few numbers
 * (`step-models.ts`), which takes no room. What is stored begins with a bit: 0 for tables, 1 for a
 * distribution.
 */
export interface ChosenModels extends ExponentModels {
  /** What they are stored as. */
  readonly bytes: Uint8Array
}

/** More than any models take: each at most 12 bits for each of 256 symbols and 10 bytes. */
export const MAX_MODELS_BYTES = 16_384

/**
 * A distribution can save what tables take and hardly more. Where that is less than so large a
 * share, as for millions of elements, it is not fitted, which takes milliseconds.
 */
const WORTH = 1 / 512

/** From the counts of 256 symbols under each of 256 exponents, of which one at least is not 0. */
export function chooseModels(dtype: WeightDType, counts: Uint32Array): ChosenModels {
  const tables = chooseTables(counts)
  const steps = tables.tableBits < WORTH * tables.cost ? undefined : fitSteps(dtype, counts)
  const writer = createBitWriter()
  if (steps === undefined || !(steps.cost < tables.cost)) {
    writer.write(0, 1)
    writeTables(writer, tables)
    return { ...tables, bytes: writer.bytes() }
  }
  writer.write(1, 1)
  writeSteps(writer, steps)
  return { ...stepModels(dtype, steps), bytes: writer.bytes() }
}

/**
 * No models from no bytes. Throws `MalformedError` `E_BAD_ENCODING` unless `bytes` is exactly what
 * some models are stored as.
 */
export function readModels(dtype: WeightDType, bytes: Uint8Array): ExponentModels {
  if (bytes.length === 0) return { models: [], map: new Uint8Array(EXPONENTS) }
  const reader = createBitReader(bytes)
  const isDistribution = reader.read(1) === 1
  const read = isDistribution ? stepModels(dtype, readSteps(dtype, reader)) : readTables(reader)
  if (reader.used !== bytes.length) throw badEncoding('bytes of models', reader.used, bytes.length)
  return read
}
