import type { Kernels, Region } from '../../compute/kernels.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { bitmapBytes } from './bits.ts'
import { badEncoding } from './encoding.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * Numbers below M ≤ 256 of one block of elements are stored as one frame, whichever is shorter:
 *
 *     00 bitmaps   ⌈log₂ M⌉ of them, lowest bit first, where all numbers are about as frequent
 *     01 plane     the frame of a byte plane (plane.ts), where some are more so
 */
const BITMAPS = 0
const PLANE = 1

/** Bits of a number below `values`. */
export function indexBits(values: number): number {
  return values <= 1 ? 0 : 32 - Math.clz32(values - 1)
}

/** No frame is longer than one of bitmaps. */
export function indexBytesAtMost(elements: number, values: number): number {
  const whole = Math.floor(elements / BLOCK_ELEMENTS)
  const rest = elements % BLOCK_ELEMENTS
  const bits = indexBits(values)
  const last = rest === 0 ? 0 : 1 + bits * bitmapBytes(rest)
  return whole * (1 + bits * bitmapBytes(BLOCK_ELEMENTS)) + last
}

/** The frame of `count` numbers below `values`; `room` holds its bitmaps. */
export function packIndexes(
  kernels: Kernels,
  indexes: Region,
  room: Region,
  count: number,
  values: number,
): Uint8Array {
  const bits = indexBits(values)
  const bytes = bits * bitmapBytes(count)
  const plane = encodePlane(kernels, indexes.u8.subarray(0, count))
  if (plane.length < bytes) return Buffer.concat([Uint8Array.of(PLANE), plane])
  kernels.packPlanes(indexes, room, count, bits)
  return Buffer.concat([Uint8Array.of(BITMAPS), room.u8.subarray(0, bytes)])
}

/**
 * Fills `indexes` from the next frame; a number may be `values` or more, which its user checks.
 * Throws `MalformedError` `E_BAD_ENCODING`.
 */
export async function unpackIndexes(
  kernels: Kernels,
  reader: SectionReader,
  indexes: Region,
  room: Region,
  count: number,
  values: number,
): Promise<void> {
  const bits = indexBits(values)
  const [kind] = await reader.take(1)
  if (kind === PLANE) {
    await decodePlane(kernels, reader, indexes.u8.subarray(0, count))
  } else if (kind === BITMAPS) {
    room.u8.set(await reader.take(bits * bitmapBytes(count)))
    kernels.unpackPlanes(room, indexes, count, bits)
  } else throw badEncoding('unknown kind of indexes', [BITMAPS, PLANE], kind)
}
