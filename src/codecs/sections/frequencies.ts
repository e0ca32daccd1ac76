import type { BitReader, BitWriter } from './bit-stream.ts'
import { badEncoding } from './encoding.ts'
import { log2 } from './log2.ts'

/**
 * The frequencies of up to 256 symbols in one rANS model: whole numbers that add up to 2^bits.
 *
 * Stored are the last and the commonest symbol, each as the zigzag-coded difference from that of
 * the frequencies before (at first 0) in γ code, and then, in order up to the last, every symbol
 * but the commonest, which takes what the others leave:
 *
 * - the length of its frequency in bits, 0 for a symbol that does not occur, as the zigzag-coded
 *   difference from the length before it that was not 0 (at first ⌊bits ÷ 2⌋) in γ code;
 * - behind a 0 how many more follow, in γ code;
 * - else the bits below the highest, but at most `precision` of them; the others are 0.
 *
 * So a symbol that is about as frequent as its neighbour takes 1 + `precision` bits.
 */
export interface Frequencies {
  /** 1 … 16. */
  readonly bits: number
  /** 0 … 15. */
  readonly precision: number
  readonly commonest: number
  /** The last symbol that occurs. */
  readonly last: number
  /** One per symbol. */
  readonly values: Uint16Array
}

type Ends = Pick<Frequencies, 'last' | 'commonest'>

const NONE: Ends = { last: 0, commonest: 0 }

/** Frequencies near the shares of `counts`, of which one at least is not 0; for 8 bits or more. */
export function quantiseCounts(counts: Uint32Array, bits: number, precision: number): Frequencies {
  let [total, commonest, last] = [0, 0, 0]
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol]!
    total += count
    if (count > counts[commonest]!) commonest = symbol
    if (count > 0) last = symbol
  }
  const values = new Uint16Array(256)
  /** Gives what is left for the commonest, which rounding up may have used up. */
  const fill = (share: number, rounding: number): number => {
    let left = 2 ** bits
    for (let symbol = 0; symbol <= last; symbol++) {
      if (symbol === commonest || counts[symbol] === 0) continue
      const exact = counts[symbol]! * share
      const step = 1 << Math.max(0, lengthOf(exact) - 1 - precision)
      const value = Math.max(1, Math.floor(exact / step + rounding) * step)
      values[symbol] = value
      left -= value
    }
    return left
  }
  let left = fill(2 ** bits / total, 0.5)
  // Rounded down, so many fewer that every rare symbol can have 1.
  if (left < 1) left = fill((2 ** bits - 256) / total, 0)
  values[commonest] = left
  return { bits, precision, commonest, last, values }
}

/** Bits that symbols of these counts take. */
export function costOf(
  counts: Uint32Array,
  { bits, last, values }: Pick<Frequencies, 'bits' | 'last' | 'values'>,
): number {
  let cost = 0
  for (let symbol = 0; symbol <= last; symbol++) {
    if (counts[symbol]! > 0) cost += counts[symbol]! * (bits - log2(values[symbol]!))
  }
  return cost
}

export function writeFrequencies(
  writer: BitWriter,
  frequencies: Frequencies,
  previous: Ends = NONE,
): void {
  const { bits, precision, commonest, last, values } = frequencies
  const isAbsent = (symbol: number): boolean => symbol !== commonest && values[symbol] === 0
  writer.writeGamma(zigzag(last - previous.last))
  writer.writeGamma(zigzag(commonest - previous.commonest))
  let before = bits >> 1
  for (let symbol = 0; symbol <= last; symbol++) {
    if (symbol === commonest) continue
    const length = lengthOf(values[symbol]!)
    writer.writeGamma(zigzag(length - before))
    if (length === 0) {
      const first = symbol
      while (symbol < last && isAbsent(symbol + 1)) symbol++
      writer.writeGamma(symbol - first)
      continue
    }
    const stored = Math.min(precision, length - 1)
    writer.write(values[symbol]! >> (length - 1 - stored), stored)
    before = length
  }
}

/** Frequencies that add up; throws `MalformedError` `E_BAD_ENCODING` where the bytes give none. */
export function readFrequencies(
  reader: BitReader,
  bits: number,
  precision: number,
  previous: Ends = NONE,
): Frequencies {
  const last = previous.last + unzigzag(reader.readGamma())
  const commonest = previous.commonest + unzigzag(reader.readGamma())
  for (const symbol of [last, commonest]) {
    if (symbol < 0 || symbol > 255) throw badEncoding('a symbol', '0 to 255', symbol)
  }
  const values = new Uint16Array(256)
  let left = 2 ** bits
  let before = bits >> 1
  for (let symbol = 0; symbol <= last; symbol++) {
    if (symbol === commonest) continue
    const length = before + unzigzag(reader.readGamma())
    if (length < 0 || length > bits) {
      throw badEncoding('length of a frequency', `0 to ${bits} bits`, length)
    }
    if (length === 0) {
      symbol += reader.readGamma()
      continue
    }
    const stored = Math.min(precision, length - 1)
    const value = (2 ** stored + reader.read(stored)) * 2 ** (length - 1 - stored)
    values[symbol] = value
    left -= value
    before = length
  }
  if (left < 1 || left > 0xffff) {
    throw badEncoding('what frequencies leave the commonest', '1 to 65535', left)
  }
  values[commonest] = left
  return { bits, precision, commonest, last, values }
}

/** Binary digits of the whole part. */
function lengthOf(value: number): number {
  return 32 - Math.clz32(value)
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function unzigzag(code: number): number {
  return code % 2 === 0 ? code / 2 : -(code + 1) / 2
}
