import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holds, type Region } from './region.ts'

/**
 * Exact differences of two weights of one dtype as whole numbers: both bit patterns are mapped to
 * integers in the order of the values they stand for (−0 directly below +0), subtracted modulo
 * 2^width and, where the base is negative, negated: above 0 is away from zero.
 *
 * A difference is one symbol and some extra bits. Of its magnitude m < 8 the token is m, with no
 * extra bit; else, with e = ⌊log₂ m⌋ − 2, it is 4e + ⌊m ÷ 2^e⌋, with the e lowest bits of m as
 * extra. The symbol is 2 · token − 1 for a difference above 0, 2 · token for one below and for 0:
 * at most 118 in 16 bits, 246 in 32.
 *
 * `map` holds one byte for each biased exponent of the dtype (256, or 32 for F16): the context of
 * an element is that of its base's exponent.
 */
export interface OrderedKernels {
  /** Gives the bytes of `extra`, whose bits stand in order, lowest first, filled up with 0. */
  splitDifference(
    dtype: WeightDType,
    post: Region,
    base: Region,
    map: Region,
    out: SplitDifference,
    count: number,
  ): number
  /** The contexts alone. */
  exponents(dtype: WeightDType, base: Region, map: Region, contexts: Region, count: number): void
  /**
   * Gives back post's bytes; false, with any bytes in `post`, unless the extra bits are exactly as
   * many as the symbols ask for.
   */
  joinDifference(
    dtype: WeightDType,
    symbols: Region,
    extra: ExtraBits,
    base: Region,
    post: Region,
    count: number,
  ): boolean
}

/** Bytes `from … to` of `input`. */
export interface ExtraBits {
  readonly input: Region
  readonly from: number
  readonly to: number
}

export interface SplitDifference {
  /** One byte per element. */
  readonly symbols: Region
  readonly contexts: Region
  /** `extraCapacity` bytes. */
  readonly extra: Region
}

/** Bytes of extra bits at most, and of one store behind the last of them. */
export function extraCapacity(dtype: WeightDType, count: number): number {
  return bytesPer[dtype] * count + 8
}

/** Bits below the exponent. */
const fractionBits: Readonly<Record<WeightDType, number>> = { F32: 23, BF16: 7, F16: 10 }

const exponentCount: Readonly<Record<WeightDType, number>> = { F32: 256, BF16: 256, F16: 32 }

/** What assembly/ordered.ts exports; `width` is in bits. */
export interface OrderedExports {
  splitDifference(
    post: number,
    base: number,
    count: number,
    width: number,
    map: number,
    shift: number,
    symbols: number,
    contexts: number,
    extra: number,
  ): number
  exponents(
    base: number,
    count: number,
    width: number,
    map: number,
    shift: number,
    contexts: number,
  ): void
  joinDifference(
    symbols: number,
    extra: number,
    end: number,
    base: number,
    post: number,
    count: number,
    width: number,
  ): number
}

export function bindOrdered(wasm: OrderedExports): OrderedKernels {
  return {
    splitDifference(dtype, post, base, map, { symbols, contexts, extra }, count) {
      for (const region of [post, base]) holds(region, count * bytesPer[dtype])
      for (const region of [symbols, contexts]) holds(region, count)
      holds(map, exponentCount[dtype])
      holds(extra, extraCapacity(dtype, count))
      return wasm.splitDifference(
        post.pointer,
        base.pointer,
        count,
        8 * bytesPer[dtype],
        map.pointer,
        fractionBits[dtype],
        symbols.pointer,
        contexts.pointer,
        extra.pointer,
      )
    },
    exponents(dtype, base, map, contexts, count) {
      holds(base, count * bytesPer[dtype])
      holds(map, exponentCount[dtype])
      holds(contexts, count)
      const [width, shift] = [8 * bytesPer[dtype], fractionBits[dtype]]
      wasm.exponents(base.pointer, count, width, map.pointer, shift, contexts.pointer)
    },
    joinDifference(dtype, symbols, { input, from, to }, base, post, count) {
      holds(symbols, count)
      for (const region of [base, post]) holds(region, count * bytesPer[dtype])
      holds(input, to)
      const whole = wasm.joinDifference(
        symbols.pointer,
        input.pointer + from,
        input.pointer + to,
        base.pointer,
        post.pointer,
        count,
        8 * bytesPer[dtype],
      )
      return whole === 1
    },
  }
}
