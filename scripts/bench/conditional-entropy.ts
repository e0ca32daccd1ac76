/**
 * Bits that the differences of ordered bit patterns take at least when the exponent of the base is
 * known, by definition and with nothing of the codec: the entropy n · H(difference | exponent) over all
 * tensors that are added, which is what `raw` is measured against.
 */
export interface ConditionalEntropy {
  /** Bytes of a base and a post-trained tensor in the dtype, aligned to two bytes. */
  add(dtype: 'BF16' | 'F16', base: Uint8Array, post: Uint8Array): void
  bits(): number
}

export function createConditionalEntropy(): ConditionalEntropy {
  /** By exponent · 2¹⁷ + difference + 2¹⁶. */
  const counts = new Map<number, number>()
  return {
    add(dtype, base, post) {
      const [from, to] = [base, post].map(
        ({ buffer, byteOffset, length }) => new Uint16Array(buffer, byteOffset, length / 2),
      ) as [Uint16Array, Uint16Array]
      const fractionBits = dtype === 'BF16' ? 7 : 10
      for (let i = 0; i < from.length; i++) {
        const exponent = (from[i]! & 0x7fff) >> fractionBits
        const key = exponent * 2 ** 17 + ordered(to[i]!) - ordered(from[i]!) + 2 ** 16
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    },
    bits() {
      const totals = new Map<number, number>()
      for (const [key, count] of counts) {
        const exponent = Math.floor(key / 2 ** 17)
        totals.set(exponent, (totals.get(exponent) ?? 0) + count)
      }
      let bits = 0
      for (const [key, count] of counts) {
        bits += count * Math.log2(totals.get(Math.floor(key / 2 ** 17))! / count)
      }
      return bits
    },
  }
}

/** The rank of a float's bit pattern: +0 is 0, −0 is −1. */
function ordered(bits: number): number {
  return bits < 0x8000 ? bits : 0x7fff - bits
}
