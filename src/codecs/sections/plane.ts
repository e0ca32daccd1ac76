import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels } from '../../compute/kernels.ts'
import { COUNTS_BYTES, encodedCapacity, modelBytes } from '../../compute/kernels/entropy.ts'
import { createBitReader, createBitWriter } from './bit-stream.ts'
import { badEncoding } from './encoding.ts'
import {
  costOf,
  type Frequencies,
  quantiseCounts,
  readFrequencies,
  writeFrequencies,
} from './frequencies.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * A plane of up to 65,536 symbols is stored as one frame, whichever is the shortest:
 *
 *     00 value           all symbols are equal
 *     01 symbols         as they are
 *     02 length rest     rANS: `length` (u16, little endian) bytes of table and words
 *
 * So the frame of n symbols has 2 to n + 1 bytes. n is known from outside: a decoder never
 * allocates more. The table is 4 bits of `bits` − 1, 4 of `precision` and the frequencies
 * (`frequencies.ts`).
 */
const CONSTANT = 0
const PLAIN = 1
const PACKED = 2

/** 12 bits and a first-level cache hold a model together; 16 pay where rare symbols are many. */
const BITS = [12, 16] as const

/** What 16 bits must save to be worth it: they take longer to decode. */
const WORTH = 0.99

/** From a bit a symbol, where little is to be told apart, to frequencies within 1.6 %. */
const PRECISIONS = [0, 1, 2, 3, 5] as const

/** The frame of a plane of 1 to 65,536 symbols. */
export function encodePlane(kernels: Kernels, plane: Uint8Array): Uint8Array {
  const count = plane.length
  using buffers = allocateBuffers(kernels, [count, count, COUNTS_BYTES, encodedCapacity(count)])
  const [symbols, contexts, counts, out] = buffers.regions
  symbols.u8.set(plane)
  contexts.u8.fill(0)
  counts.u8.fill(0)
  kernels.countSymbols(symbols, contexts, count, counts)
  if (counts.u32[plane[0]!] === count) return Uint8Array.of(CONSTANT, plane[0]!)

  const { table, frequencies } = shortestTable(counts.u32.subarray(0, 256))
  using models = allocateBuffers(kernels, [modelBytes(frequencies.bits)])
  const [region] = models.regions
  const { bits } = frequencies
  kernels.buildModel(frequencies.values, region, 0, bits)
  const model = { region, count: 1, bits }
  const bytes = kernels.encodeSymbols(symbols, contexts, count, model, out)
  const length = table.length + bytes
  if (length + 2 >= count) return Buffer.concat([Uint8Array.of(PLAIN), plane])
  return Buffer.concat([
    Uint8Array.of(PACKED, length & 0xff, length >> 8),
    table,
    out.u8.subarray(out.bytes - bytes),
  ])
}

/** Fills `plane` from the next frame; throws `MalformedError` `E_BAD_ENCODING`. */
export async function decodePlane(
  kernels: Kernels,
  reader: SectionReader,
  plane: Uint8Array,
): Promise<void> {
  const [kind] = await reader.take(1)
  switch (kind) {
    case CONSTANT:
      plane.fill((await reader.take(1))[0]!)
      return
    case PLAIN:
      plane.set(await reader.take(plane.length))
      return
    case PACKED: {
      const [low, high] = await reader.take(2)
      unpack(kernels, await reader.take(low! + high! * 256), plane)
      return
    }
  }
  throw badEncoding('unknown kind of plane', [CONSTANT, PLAIN, PACKED], kind)
}

interface Candidate {
  readonly table: Uint8Array
  readonly frequencies: Frequencies
  /** Bits of the table and of all symbols. */
  readonly cost: number
}

function shortestTable(counts: Uint32Array): Candidate {
  const [fast, fine] = BITS.map((bits) =>
    PRECISIONS.map((precision): Candidate => {
      const frequencies = quantiseCounts(counts, bits, precision)
      const table = writeTable(frequencies)
      return { table, frequencies, cost: 8 * table.length + costOf(counts, frequencies) }
    }).reduce((best, each) => (each.cost < best.cost ? each : best)),
  ) as [Candidate, Candidate]
  return fine.cost < WORTH * fast.cost ? fine : fast
}

function writeTable(frequencies: Frequencies): Uint8Array {
  const writer = createBitWriter()
  writer.write(frequencies.bits - 1, 4)
  writer.write(frequencies.precision, 4)
  writeFrequencies(writer, frequencies)
  return writer.bytes()
}

function unpack(kernels: Kernels, packed: Uint8Array, plane: Uint8Array): void {
  const table = createBitReader(packed)
  const bits = table.read(4) + 1
  const { values } = readFrequencies(table, bits, table.read(4))
  const words = packed.subarray(table.used)
  const count = plane.length
  using buffers = allocateBuffers(kernels, [modelBytes(bits), words.length, count, count])
  const [region, input, contexts, symbols] = buffers.regions
  kernels.buildModel(values, region, 0, bits)
  input.u8.set(words)
  contexts.u8.fill(0)
  const coded = { input, bytes: words.length, contexts }
  const used = kernels.decodeSymbols(coded, { region, count: 1, bits }, symbols, count)
  if (used !== words.length) throw badEncoding('words of a plane', `${words.length} bytes`, used)
  plane.set(symbols.u8.subarray(0, count))
}
