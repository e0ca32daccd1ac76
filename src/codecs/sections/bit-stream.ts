import { badEncoding } from './encoding.ts'

/** Bits in order, the lowest of each byte first, for headers and tables: small and read once. */
export interface BitWriter {
  /** The lowest `count` ≤ 16 bits of `value`. */
  write(value: number, count: number): void
  /**
   * A whole number ≥ 0 by the Elias γ code of value + 1: 1 bit for 0, 3 for 1 and 2, 5 for 3 to 6.
   */
  writeGamma(value: number): void
  /** Bits so far. */
  readonly length: number
  /** All so far, the last byte filled up with 0. */
  bytes(): Uint8Array
}

export function createBitWriter(): BitWriter {
  const bytes: number[] = []
  let held = 0
  let heldBits = 0
  function write(value: number, count: number): void {
    held |= (value & ((1 << count) - 1)) << heldBits
    for (heldBits += count; heldBits >= 8; heldBits -= 8) {
      bytes.push(held & 0xff)
      held >>>= 8
    }
  }
  return {
    write,
    writeGamma(value) {
      const length = 31 - Math.clz32(value + 1)
      write(0, length)
      write(1, 1)
      write(value + 1, length)
    },
    get length() {
      return 8 * bytes.length + heldBits
    },
    bytes: () => Uint8Array.from(heldBits > 0 ? [...bytes, held] : bytes),
  }
}

/**
 * Reads what a `BitWriter` wrote; throws `MalformedError` `E_BAD_ENCODING` behind the last byte.
 */
export interface BitReader {
  read(count: number): number
  /** A number below 2¹⁶ − 1. */
  readGamma(): number
  /** Bytes of which at least one bit was read. */
  readonly used: number
}

export function createBitReader(bytes: Uint8Array): BitReader {
  let position = 0
  function read(count: number): number {
    if (position + count > bytes.length * 8) {
      throw badEncoding('a table ends early', `${position + count} bits`, bytes.length * 8)
    }
    let value = 0
    for (let i = 0; i < count; i++, position++) {
      value |= ((bytes[position >> 3]! >> (position & 7)) & 1) << i
    }
    return value
  }
  return {
    read,
    readGamma() {
      let length = 0
      while (read(1) === 0) length++
      if (length > 15) throw badEncoding('a number in a table', 'below 2¹⁶', `${length + 1} bits`)
      return 2 ** length + read(length) - 1
    },
    get used() {
      return Math.ceil(position / 8)
    },
  }
}
