import { type Kernels, PACKED_SPARE_BYTES, type Region } from '../../compute/kernels.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { badEncoding } from './encoding.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * A block's codes of `bits` bits are one frame, whichever is shorter:
 *
 *     00 packed          ⌈count · bits ÷ 8⌉ bytes by `Kernels.packCodes`
 *     01 plane           the frame (`plane.ts`) of the codes, a byte each
 */
const PACKED = 0
const PLANE = 1

/** The least and the most bytes of the codes of so many elements. */
export function codeBytes(elements: number, bits: number): readonly [min: number, max: number] {
  const frames = Math.ceil(elements / BLOCK_ELEMENTS)
  return [2 * frames, frames + packedBytes(elements, bits)]
}

/** Bytes of scratch memory for codes of at most `count` elements. */
export function codeScratchBytes(count: number, bits: number): number {
  return packedBytes(count, bits) + PACKED_SPARE_BYTES
}

/** The frame of a block's codes. */
export function encodeCodes(
  kernels: Kernels,
  codes: Region,
  count: number,
  bits: number,
  scratch: Region,
): Uint8Array {
  const bytes = packedBytes(count, bits)
  const plane = encodePlane(kernels, codes.u8.subarray(0, count))
  if (plane.length < bytes) return Buffer.concat([Uint8Array.of(PLANE), plane])
  kernels.packCodes(codes, scratch, count, bits)
  return Buffer.concat([Uint8Array.of(PACKED), scratch.u8.subarray(0, bytes)])
}

/** Fills `codes` from the next frame; throws `MalformedError` `E_BAD_ENCODING`. */
export async function decodeCodes(
  kernels: Kernels,
  reader: SectionReader,
  codes: Region,
  count: number,
  bits: number,
  scratch: Region,
): Promise<void> {
  const [kind] = await reader.take(1)
  if (kind === PLANE) return decodePlane(kernels, reader, codes.u8.subarray(0, count))
  if (kind !== PACKED) throw badEncoding('unknown kind of codes', [PACKED, PLANE], kind)
  scratch.u8.set(await reader.take(packedBytes(count, bits)))
  kernels.unpackCodes(scratch, codes, count, bits)
}

function packedBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8)
}
