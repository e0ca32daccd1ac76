import {
  GAP_SPARE_BYTES,
  type GapCode,
  type Kernels,
  MAX_GAP_ORDER,
  type Region,
} from '../../compute/kernels.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { bitmapBytes, readBitmap } from './bits.ts'
import { badEncoding } from './encoding.ts'
import { log2 } from './log2.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * The mask of a block is one frame, the second where it is the shorter by more than a trifle:
 *
 *     order gaps         order + 16 · (gaps of zeros): the bitmap by `Kernels.encodeGaps`
 *     20 plane           the frame (`plane.ts`) of the bitmap's bytes
 *
 * For independent bits one of the two is within 2.5 % of their entropy, at any density: gaps where
 * ones or zeros are rare, the plane in between. Where they come in runs, as in rows that a training
 * touched, the plane is far below it. Neither is ever longer than the bitmap, which is gaps of
 * order 0.
 */
const BITMAP = 0
const OF_ZEROS = 0x10
const PLANE = 0x20

/** The least and the most bytes of the masks of so many elements. */
export function maskBytes(elements: number): readonly [min: number, max: number] {
  const frames = Math.ceil(elements / BLOCK_ELEMENTS)
  return [2 * frames, frames + bitmapBytes(elements)]
}

/** Bytes of scratch memory for masks of at most `count` elements. */
export function maskScratchBytes(count: number): number {
  return bitmapBytes(count) + GAP_SPARE_BYTES
}

/** The frame of a block's mask, whose padding is 0. */
export function encodeMask(
  kernels: Kernels,
  bits: Region,
  count: number,
  scratch: Region,
): Uint8Array {
  const bitmap = bits.u8.subarray(0, bitmapBytes(count))
  const least = leastPlaneBytes(bitmap)
  if (least > WORTH * bitmap.length) return Buffer.concat([Uint8Array.of(BITMAP), bitmap])
  const code = shortestCode(kernels, bits, count)
  const bytes = kernels.encodeGaps(bits, count, code, scratch)
  if (least < WORTH * bytes) {
    const plane = encodePlane(kernels, bitmap)
    if (plane.length < bytes) return Buffer.concat([Uint8Array.of(PLANE), plane])
  }
  const kind = code.order + (code.ones ? 0 : OF_ZEROS)
  return Buffer.concat([Uint8Array.of(kind), scratch.u8.subarray(0, bytes)])
}

/** Fills `bits` from the next frame; throws `MalformedError` `E_BAD_ENCODING`. */
export async function decodeMask(
  kernels: Kernels,
  reader: SectionReader,
  bits: Region,
  count: number,
  scratch: Region,
): Promise<void> {
  const kind = (await reader.take(1))[0]!
  const bytes = bitmapBytes(count)
  if (kind === BITMAP) return readBitmap(reader, bits, count)
  if (kind === PLANE) {
    await decodePlane(kernels, reader, bits.u8.subarray(0, bytes))
    const padding = count % 8 === 0 ? 0 : bits.u8[bytes - 1]! >> (count % 8)
    if (padding !== 0) throw badEncoding('bits behind the last element', 0, padding)
    return
  }
  if (kind > OF_ZEROS + MAX_GAP_ORDER) throw badEncoding('unknown kind of mask', PLANE, kind)
  const code: GapCode = { ones: kind < OF_ZEROS, order: kind & MAX_GAP_ORDER }
  const ahead = await reader.peek(bytes)
  scratch.u8.set(ahead)
  const used = kernels.decodeGaps(scratch, ahead.length, bits, count, code)
  if (used < 0) throw badEncoding('gaps that leave their mask', `${count} elements`, 'more')
  await reader.take(used)
}

/** What a plane must save to be worth it: it takes longer to find and to decode. */
const WORTH = 0.985

/** The entropy of a bitmap's bytes, in bytes; that of signs is nearly as long as the bitmap. */
function leastPlaneBytes(bitmap: Uint8Array): number {
  const counts = new Uint32Array(256)
  for (let i = 0; i < bitmap.length; i++) counts[bitmap[i]!]!++
  let bits = 0
  for (const count of counts) if (count > 0) bits += count * (log2(bitmap.length) - log2(count))
  return bits / 8
}

function shortestCode(kernels: Kernels, bits: Region, count: number): GapCode {
  const found = kernels.countBits(bits, count)
  const ones = found <= count / 2
  const rare = ones ? found : count - found
  const bitsOf = (order: number): number => kernels.gapBits(bits, count, { ones, order })
  // The gaps' mean tells the order nearly; how they vary may shift it.
  let order = Math.min(MAX_GAP_ORDER, 31 - Math.clz32(count / (rare + 1)))
  let shortest = bitsOf(order)
  for (const step of [1, -1]) {
    for (let next = order + step; next >= 0 && next <= MAX_GAP_ORDER; next += step) {
      const size = bitsOf(next)
      if (size >= shortest) break
      ;[order, shortest] = [next, size]
    }
  }
  return { ones, order: shortest < count ? order : 0 }
}
