import { badEncoding } from './encoding.ts'

/** Bytes of a section that holds one f32 scale. */
export const SCALE_BYTES = 4

export function encodeScale(scale: number): Uint8Array {
  const bytes = Buffer.alloc(SCALE_BYTES)
  bytes.writeFloatLE(scale)
  return bytes
}

/** Throws `MalformedError` `E_BAD_ENCODING` unless the scale is finite and at least +0. */
export function decodeScale(bytes: Uint8Array): number {
  const scale = new DataView(bytes.buffer, bytes.byteOffset, SCALE_BYTES).getFloat32(0, true)
  if (scale >= 0 && Number.isFinite(scale) && !Object.is(scale, -0)) return scale
  throw badEncoding('scale out of range', 'a finite number ≥ 0', scale)
}
