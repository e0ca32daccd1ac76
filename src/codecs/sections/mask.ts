import {
  GAP_SPARE_BYTES,
  type GapCode,
  type Kernels,
  MAX_GAP_ORDER,
  type Region,
} from '../../compute/kernels.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { bitmapBytes } from './bits.ts'
import { badEncoding } from './encoding.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * The mask of a block is one frame, whichever is the shortest:
 *
 *     order gaps         order + 16 · (gaps of zeros): the bitmap by `Kernels.encodeGaps`
 *     20 plane           the frame (`plane.ts`) of the bits, a byte each
 *
 * Gap codes are within 2.5 % of the entropy of independent bits of which less than one in six is
 * rare; with more, up to the bitmap itself, the plane is.
 */
const OF_ZEROS = 0x10
const PLANE = 0x20

/** How rare the rarer bit must be for gap codes to suffice: 1 in so many. */
const RARE = 6

/** The least and the most bytes of the masks of so many elements. */
export function maskBytes(elements: number): readonly [min: number, max: number] {
  const frames = Math.ceil(elements / BLOCK_ELEMENTS)
  return [2 * frames, frames + bitmapBytes(elements)]
}

/** Bytes of scratch memory for masks of at most `count` elements. */
export function maskScratchBytes(count: number): number {
  return count + GAP_SPARE_BYTES
}

/** The frame of a block's mask. */
export function encodeMask(
  kernels: Kernels,
  bits: Region,
  count: number,
  scratch: Region,
): Uint8Array {
  const ones = kernels.countBits(bits, count)
  const rare = Math.min(ones, count - ones)
  const code = shortestCode(kernels, bits, count, rare, ones === rare)
  const bytes = Math.ceil(kernels.gapBits(bits, count, code) / 8)
  if (rare * RARE > count) {
    kernels.spreadBits(bits, scratch, count)
    const plane = encodePlane(kernels, scratch.u8.subarray(0, count))
    if (plane.length < bytes) return Buffer.concat([Uint8Array.of(PLANE), plane])
  }
  kernels.encodeGaps(bits, count, code, scratch)
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
  if (kind === PLANE) {
    await decodePlane(kernels, reader, scratch.u8.subarray(0, count))
    if (kernels.gatherBits(scratch, bits, count)) return
    throw badEncoding('a mask of other symbols', '0 and 1', 'another')
  }
  const code: GapCode = { ones: kind < OF_ZEROS, order: kind & MAX_GAP_ORDER }
  if (kind > OF_ZEROS + MAX_GAP_ORDER) throw badEncoding('unknown kind of mask', PLANE, kind)
  const ahead = await reader.peek(bitmapBytes(count))
  scratch.u8.set(ahead)
  const used = kernels.decodeGaps(scratch, ahead.length, bits, count, code)
  if (used < 0) throw badEncoding('gaps that leave their mask', `${count} elements`, 'more')
  await reader.take(used)
}

/** Order 0 has `count` bits, so that the shortest is never longer than the bitmap. */
function shortestCode(
  kernels: Kernels,
  bits: Region,
  count: number,
  rare: number,
  ones: boolean,
): GapCode {
  const bitsOf = (order: number): number => kernels.gapBits(bits, count, { ones, order })
  // The gaps' mean tells the order nearly; how they vary may shift it.
  let order = Math.min(MAX_GAP_ORDER, 31 - Math.clz32(count / (rare + 1)))
  let shortest = bitsOf(order)
  for (const step of [1, -1]) {
    for (let next = order + step; next >= 0 && next <= MAX_GAP_ORDER; next += step) {
      const found = bitsOf(next)
      if (found >= shortest) break
      ;[order, shortest] = [next, found]
    }
  }
  return shortest < count ? { ones, order } : { ones, order: 0 }
}
