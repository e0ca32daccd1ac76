import { z } from 'zod'
import { asCid, type CID } from '../../src/index.ts'

/** The fields that formats are made of: each refuses what its reader could not use safely. */

export const cid = z.custom<CID>((value) => asCid(value) !== undefined, 'expected a CID')

export const wholeNumber = z.int().min(0)

export const byteString = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array,
  'expected bytes',
)

export function bytesOfLength(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  )
}

/**
 * Text that is shown to people: no control characters and no marks that turn the direction of
 * writing, with which a name could forge a line of a terminal or of a list.
 */
export function text(maxLength: number): z.ZodType<string> {
  return z
    .string()
    .max(maxLength)
    .regex(
      /^[^\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$/u,
      'expected printable text',
    )
}
