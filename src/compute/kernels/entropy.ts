import { InvalidInputError } from '../../errors.ts'
import { holds, type Region } from './region.ts'

/**
 * Static rANS with one model per context. The symbol of element i is byte i of `symbols`, its context
 * byte i of `contexts`; every context must be below the number of models, and to encode, every symbol
 * have a frequency in its model.
 */
export interface EntropyKernels {
  /** Adds to `counts`, 256 u32 per context, how often each symbol occurs. */
  countSymbols(symbols: Region, contexts: Region, count: number, counts: Region): void
  /**
   * Makes the model of one context from 256 frequencies; throws `InvalidInputError` `E_FREQUENCIES`
   * unless they add up to 2^bits. Models of one region stand `modelBytes(bits)` apart.
   */
  buildModel(frequencies: Uint16Array, models: Region, context: number, bits: number): void
  /** Encodes to the end of `out`, `encodedCapacity(count)` bytes or more; gives the bytes used. */
  encodeSymbols(
    symbols: Region,
    contexts: Region,
    count: number,
    models: SymbolModels,
    out: Region,
  ): number
  /**
   * The inverse. It reads no more than `coded.bytes` and gives how many it used, or 0 for bytes that
   * `encodeSymbols` cannot have written.
   */
  decodeSymbols(coded: CodedSymbols, models: SymbolModels, symbols: Region, count: number): number
}

/** `count` models of `bits` bits each, made by `buildModel` for the contexts from 0 on. */
export interface SymbolModels {
  readonly region: Region
  readonly count: number
  readonly bits: number
}

export interface CodedSymbols {
  readonly input: Region
  readonly bytes: number
  readonly contexts: Region
}

/** Bytes of `counts` and of a model's entries: 256 u32. */
export const COUNTS_BYTES = 1024

export function modelBytes(bits: number): number {
  return COUNTS_BYTES + 2 ** bits
}

/** Four states, and at most one word per symbol; one more is written before it is known to count. */
export function encodedCapacity(count: number): number {
  return 16 + 2 * count + 2
}

/** What assembly/entropy.ts exports. */
export interface EntropyExports {
  countSymbols(symbols: number, contexts: number, count: number, counts: number): void
  encodeSymbols(
    symbols: number,
    contexts: number,
    count: number,
    models: number,
    bits: number,
    end: number,
  ): number
  decodeSymbols(
    input: number,
    end: number,
    contexts: number,
    symbols: number,
    count: number,
    models: number,
    bits: number,
  ): number
}

export function bindEntropy(wasm: EntropyExports): EntropyKernels {
  return {
    countSymbols(symbols, contexts, count, counts) {
      holds(symbols, count)
      holds(contexts, count)
      holds(counts, COUNTS_BYTES)
      wasm.countSymbols(symbols.pointer, contexts.pointer, count, counts.pointer)
    },
    buildModel(frequencies, models, context, bits) {
      holds(models, (context + 1) * modelBytes(bits))
      const sum = frequencies.reduce((total, frequency) => total + frequency, 0)
      if (sum !== 2 ** bits) throw badFrequencies(bits, sum)
      const entry = (context * modelBytes(bits)) / 4
      const slot = context * modelBytes(bits) + COUNTS_BYTES
      let start = 0
      for (const [symbol, frequency] of frequencies.entries()) {
        models.u32[entry + symbol] = (start << 16) | frequency
        models.u8.fill(symbol, slot + start, slot + start + frequency)
        start += frequency
      }
    },
    encodeSymbols(symbols, contexts, count, models, out) {
      holds(symbols, count)
      holds(contexts, count)
      holdModels(models)
      holds(out, encodedCapacity(count))
      const end = out.pointer + out.bytes
      const start = wasm.encodeSymbols(
        symbols.pointer,
        contexts.pointer,
        count,
        models.region.pointer,
        models.bits,
        end,
      )
      return end - (start >>> 0)
    },
    decodeSymbols({ input, bytes, contexts }, models, symbols, count) {
      holds(input, bytes)
      holds(contexts, count)
      holds(symbols, count)
      holdModels(models)
      const end = wasm.decodeSymbols(
        input.pointer,
        input.pointer + bytes,
        contexts.pointer,
        symbols.pointer,
        count,
        models.region.pointer,
        models.bits,
      )
      return end === 0 ? 0 : (end >>> 0) - input.pointer
    },
  }
}

function holdModels({ region, count, bits }: SymbolModels): void {
  holds(region, count * modelBytes(bits))
}

function badFrequencies(bits: number, sum: number): InvalidInputError {
  return new InvalidInputError(
    'E_FREQUENCIES',
    `expected frequencies that add up to 2^${bits}, got ${sum}`,
    { expected: 2 ** bits, actual: sum },
  )
}
