import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Kernels } from '../../compute/kernels.ts'
import { badEncoding } from './encoding.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * A byte plane is stored as one frame, whichever is the shortest:
 *
 *     00 value           all bytes are equal
 *     01 bytes           as they are
 *     02 length zstd     a zstd frame of `length` (u16, little endian) bytes
 *
 * So the frame of n bytes has 2 to n + 1. n is known from outside: a decoder never allocates more.
 * Another release of zstd may choose other bytes for the same plane; every release reads them.
 */
const CONSTANT = 0
const PLAIN = 1
const ZSTD = 2

/** Planes are skewed but repeat little: up to level 9 the size stays within 3 %, only time grows. */
const LEVEL = 1

/** More than a frame can be longer than its bytes (ZSTD_compressBound), and the least chunk allowed. */
const MARGIN = 1024

/** Window of a decoder that never sees more than 65,536 bytes. */
const WINDOW_LOG = 16

/** The frame of a plane of 1 to 65,536 bytes. */
export function encodePlane(_kernels: Kernels, plane: Uint8Array): Uint8Array {
  if (isConstant(plane)) return Uint8Array.of(CONSTANT, plane[0]!)
  const packed = zstdCompressSync(plane, {
    // Room for the whole frame: pieces would be allocated and joined.
    chunkSize: plane.length + MARGIN,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
  })
  if (packed.length + 2 >= plane.length) return Buffer.concat([Uint8Array.of(PLAIN), plane])
  return Buffer.concat([Uint8Array.of(ZSTD, packed.length & 0xff, packed.length >> 8), packed])
}

/** Fills `plane` from the next frame; throws `MalformedError` `E_BAD_ENCODING`. */
export async function decodePlane(
  _kernels: Kernels,
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
    case ZSTD: {
      const [low, high] = await reader.take(2)
      plane.set(unpack(await reader.take(low! + high! * 256), plane.length))
      return
    }
  }
  throw badEncoding('unknown kind of plane', [CONSTANT, PLAIN, ZSTD], kind)
}

function isConstant(plane: Uint8Array): boolean {
  const first = plane[0]
  for (let i = 1; i < plane.length; i++) if (plane[i] !== first) return false
  return true
}

function unpack(packed: Uint8Array, bytes: number): Uint8Array {
  let plane: Uint8Array
  try {
    plane = zstdDecompressSync(packed, {
      maxOutputLength: bytes,
      chunkSize: Math.max(bytes, 64),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
    })
  } catch (cause) {
    throw badEncoding(
      'a zstd frame that does not decode',
      `${bytes} bytes`,
      (cause as Error).message,
      cause,
    )
  }
  if (plane.length !== bytes) throw badEncoding('a short plane', `${bytes} bytes`, plane.length)
  return plane
}
