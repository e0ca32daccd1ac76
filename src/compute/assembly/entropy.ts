/**
 * Static rANS (Duda, arXiv 1311.2540; byte-wise form: Giesen, arXiv 1402.3392): four states take
 * turns over one stream of 16-bit words, so that four symbols are under way at once. A state is at
 * least 2¹⁶ between symbols. Encoding runs backwards, so that decoding runs forwards.
 *
 * A model is 256 entries `start << 16 | frequency`, then the symbol of each of 2^bits slots.
 */

const lowest: u32 = 1 << 16
const entriesBytes: usize = 1024
const statesBytes: usize = 16

export function countSymbols(symbols: usize, contexts: usize, count: u32, counts: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    const place =
      counts + (((<u32>load<u8>(contexts + i)) << 10) | ((<u32>load<u8>(symbols + i)) << 2))
    store<u32>(place, load<u32>(place) + 1)
  }
}

/** Writes up to `end`, from the last byte to the first, which it gives back. */
export function encodeSymbols(
  symbols: usize,
  contexts: usize,
  count: u32,
  models: usize,
  bits: u32,
  end: usize,
): usize {
  const stride = entriesBytes + (1 << bits)
  const spare = 32 - bits
  let a = lowest
  let b = lowest
  let c = lowest
  let d = lowest
  for (let i: i32 = count - 1; i >= 0; i--) {
    const model = models + <usize>load<u8>(contexts + i) * stride
    const entry = load<u32>(model + ((<usize>load<u8>(symbols + i)) << 2))
    const frequency = entry & 0xffff
    const spills = u32(d >> spare >= frequency)
    store<u16>(end - 2, d)
    end -= spills << 1
    d >>= spills << 4
    const quotient = d / frequency
    const next = (quotient << bits) + (entry >> 16) + (d - quotient * frequency)
    d = c
    c = b
    b = a
    a = next
  }
  end -= statesBytes
  store<u32>(end, a)
  store<u32>(end, b, 4)
  store<u32>(end, c, 8)
  store<u32>(end, d, 12)
  return end
}

/**
 * Whatever the bytes are, it reads only `input … end` and writes only `count` symbols. Gives the
 * end of the words it read, or 0 when they are too few or a state does not end where encoding
 * began.
 */
export function decodeSymbols(
  input: usize,
  end: usize,
  contexts: usize,
  symbols: usize,
  count: u32,
  models: usize,
  bits: u32,
): usize {
  if (end - input < statesBytes) return 0
  const stride = entriesBytes + (1 << bits)
  const mask: u32 = (1 << bits) - 1
  let a = load<u32>(input)
  let b = load<u32>(input, 4)
  let c = load<u32>(input, 8)
  let d = load<u32>(input, 12)
  input += statesBytes
  for (let i: u32 = 0; i < count; i++) {
    const model = models + <usize>load<u8>(contexts + i) * stride
    const slot = a & mask
    const symbol = load<u8>(model + entriesBytes + slot)
    const entry = load<u32>(model + ((<usize>symbol) << 2))
    store<u8>(symbols + i, symbol)
    let next = (entry & 0xffff) * (a >> bits) + slot - (entry >> 16)
    if (next < lowest) {
      if (input + 2 > end) return 0
      next = (next << 16) | (<u32>load<u16>(input))
      input += 2
    }
    a = b
    b = c
    c = d
    d = next
  }
  return a == lowest && b == lowest && c == lowest && d == lowest ? input : 0
}
