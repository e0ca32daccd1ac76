import type { Region } from '../../compute/kernels.ts'
import { badEncoding } from './encoding.ts'
import type { SectionReader } from './section-reader.ts'

/** Bytes of a bitmap with one bit per element, little endian within bytes. */
export function bitmapBytes(elements: number): number {
  return Math.ceil(elements / 8)
}

/** Sets the bits behind the last element to 0, so that a bitmap has one spelling. */
export function clearPadding(bits: Region, count: number): void {
  if (count % 8 !== 0) bits.u8[count >> 3]! &= paddingMask(count) ^ 0xff
}

/**
 * Fills `bits` with the next `count` bits of a section; throws `MalformedError` `E_BAD_ENCODING`
 * when they end early or a bit behind the last one is 1.
 */
export async function readBitmap(
  reader: SectionReader,
  bits: Region,
  count: number,
): Promise<void> {
  const bytes = await reader.take(bitmapBytes(count))
  const padding = count % 8 === 0 ? 0 : bytes.at(-1)! & paddingMask(count)
  if (padding !== 0) throw badEncoding('bits behind the last element', '0', padding)
  bits.u8.set(bytes)
}

/** The first position whose bit is 1 in `a` and 0 in `b`, or −1. */
export function firstOnlyIn(a: Uint8Array, b: Uint8Array, count: number): number {
  for (let i = 0; i < bitmapBytes(count); i++) {
    const only = a[i]! & ~b[i]!
    if (only !== 0) return i * 8 + Math.log2(only & -only)
  }
  return -1
}

function paddingMask(count: number): number {
  return (0xff << (count & 7)) & 0xff
}
