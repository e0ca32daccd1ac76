import { type Kernels, PACKED_SPARE_BYTES, type Region } from '../../compute/kernels.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { bitmapBytes } from './bits.ts'
import { badEncoding } from './encoding.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * A block's codes, whole numbers of at most 8 bits, are one frame, whichever is shorter:
 *
 *     00 plain           in the form's own bytes
 *     01 plane           the frame (`plane.ts`) of the codes, a byte each
 */
const PLAIN = 0
const PLANE = 1

/** How codes are written where all are about as frequent. */
export interface CodeForm {
  /** Of so many codes. */
  bytes(count: number): number
  /** Writes them to `out`, which has `PACKED_SPARE_BYTES` more. */
  pack(kernels: Kernels, codes: Region, out: Region, count: number): void
  unpack(kernels: Kernels, packed: Region, codes: Region, count: number): void
}

/** Codes one after the other, by `Kernels.packCodes`. */
export function packedCodes(bits: number): CodeForm {
  return {
    bytes: (count) => Math.ceil((count * bits) / 8),
    pack: (kernels, codes, out, count) => kernels.packCodes(codes, out, count, bits),
    unpack: (kernels, packed, codes, count) => kernels.unpackCodes(packed, codes, count, bits),
  }
}

/** A bitmap for each bit of the codes, lowest first, by `Kernels.packPlanes`. */
export function codesInBitmaps(bits: number): CodeForm {
  return {
    bytes: (count) => bits * bitmapBytes(count),
    pack: (kernels, codes, out, count) => kernels.packPlanes(codes, out, count, bits),
    unpack: (kernels, packed, codes, count) => kernels.unpackPlanes(packed, codes, count, bits),
  }
}

/** The least and the most bytes of the codes of so many elements. */
export function codeBytes(elements: number, form: CodeForm): readonly [min: number, max: number] {
  const frames = Math.ceil(elements / BLOCK_ELEMENTS)
  const whole = Math.floor(elements / BLOCK_ELEMENTS)
  const rest = elements % BLOCK_ELEMENTS
  return [2 * frames, frames + whole * form.bytes(BLOCK_ELEMENTS) + form.bytes(rest)]
}

/** Bytes of scratch memory for codes of at most `count` elements. */
export function codeScratchBytes(count: number, form: CodeForm): number {
  return form.bytes(count) + PACKED_SPARE_BYTES
}

/** The frame of a block's codes. */
export function encodeCodes(
  kernels: Kernels,
  codes: Region,
  count: number,
  form: CodeForm,
  scratch: Region,
): Uint8Array {
  const bytes = form.bytes(count)
  const plane = encodePlane(kernels, codes.u8.subarray(0, count))
  if (plane.length < bytes) return Buffer.concat([Uint8Array.of(PLANE), plane])
  form.pack(kernels, codes, scratch, count)
  return Buffer.concat([Uint8Array.of(PLAIN), scratch.u8.subarray(0, bytes)])
}

/**
 * Fills `codes` from the next frame; a plane may hold codes of more bits, which its user checks.
 * Throws `MalformedError` `E_BAD_ENCODING`.
 */
export async function decodeCodes(
  kernels: Kernels,
  reader: SectionReader,
  codes: Region,
  count: number,
  form: CodeForm,
  scratch: Region,
): Promise<void> {
  const [kind] = await reader.take(1)
  if (kind === PLANE) return decodePlane(kernels, reader, codes.u8.subarray(0, count))
  if (kind !== PLAIN) throw badEncoding('unknown kind of codes', [PLAIN, PLANE], kind)
  scratch.u8.set(await reader.take(form.bytes(count)))
  form.unpack(kernels, scratch, codes, count)
}
