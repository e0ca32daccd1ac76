/**
 * Exact differences: bit patterns as whole numbers in the order of their values, subtracted modulo
 * 2^width and counted away from zero, which is backwards where the base is negative. A magnitude m is
 * a token, m's length and its highest three bits, and the bits below those, which go to `extra`; the
 * symbol is 0 for no difference, 2 · token − 1 above it and 2 · token below.
 */

export function splitDifference16(
  post: usize,
  base: usize,
  count: u32,
  map: usize,
  shift: u32,
  symbols: usize,
  contexts: usize,
  extra: usize,
): usize {
  const start = extra
  let held: u64 = 0
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const from: u32 = load<u16>(base + (i << 1))
    const to: u32 = load<u16>(post + (i << 1))
    const away = outward(order16(to) - order16(from), from >> 15)
    const difference = (<i32>(away << 16)) >> 16
    const magnitude = <u32>abs(difference)
    const below = bitsBelow(magnitude)
    store<u8>(symbols + i, symbolOf(magnitude, below, difference < 0))
    store<u8>(contexts + i, load<u8>(map + ((from & 0x7fff) >> shift)))
    held |= (<u64>(magnitude & ((1 << below) - 1))) << bits
    bits += below
    store<u64>(extra, held)
    extra += bits >> 3
    held >>= bits & ~7
    bits &= 7
  }
  return extra - start + (bits > 0 ? 1 : 0)
}

export function splitDifference32(
  post: usize,
  base: usize,
  count: u32,
  map: usize,
  shift: u32,
  symbols: usize,
  contexts: usize,
  extra: usize,
): usize {
  const start = extra
  let held: u64 = 0
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const from = load<u32>(base + (i << 2))
    const to = load<u32>(post + (i << 2))
    const difference = <i32>outward(order32(to) - order32(from), from >> 31)
    const magnitude = <u32>abs(difference)
    const below = bitsBelow(magnitude)
    store<u8>(symbols + i, symbolOf(magnitude, below, difference < 0))
    store<u8>(contexts + i, load<u8>(map + ((from & 0x7fffffff) >> shift)))
    held |= (<u64>(magnitude & ((1 << below) - 1))) << bits
    bits += below
    store<u64>(extra, held)
    extra += bits >> 3
    held >>= bits & ~7
    bits &= 7
  }
  return extra - start + (bits > 0 ? 1 : 0)
}

export function exponents16(
  base: usize,
  count: u32,
  map: usize,
  shift: u32,
  contexts: usize,
): void {
  for (let i: u32 = 0; i < count; i++) {
    const bits: u32 = load<u16>(base + (i << 1))
    store<u8>(contexts + i, load<u8>(map + ((bits & 0x7fff) >> shift)))
  }
}

export function exponents32(
  base: usize,
  count: u32,
  map: usize,
  shift: u32,
  contexts: usize,
): void {
  for (let i: u32 = 0; i < count; i++) {
    const bits = load<u32>(base + (i << 2))
    store<u8>(contexts + i, load<u8>(map + ((bits & 0x7fffffff) >> shift)))
  }
}

/** Gives false unless `extra … end` holds exactly the bits that the symbols ask for. */
export function joinDifference16(
  symbols: usize,
  base: usize,
  count: u32,
  extra: usize,
  end: usize,
  post: usize,
): bool {
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const symbol: u32 = load<u8>(symbols + i)
    const below = bitsBelowToken((symbol + 1) >> 1)
    // May read 8 bytes past the last one: every region is followed by padding.
    const low = (<u32>(load<u64>(extra) >> bits)) & ((1 << below) - 1)
    bits += below
    extra += bits >> 3
    bits &= 7
    if (extra > end) return false
    const from: u32 = load<u16>(base + (i << 1))
    const to = order16(from) + outward(differenceOf(symbol, below, low), from >> 15)
    store<u16>(post + (i << 1), order16(to & 0xffff))
  }
  return endsAt(extra, bits, end)
}

export function joinDifference32(
  symbols: usize,
  base: usize,
  count: u32,
  extra: usize,
  end: usize,
  post: usize,
): bool {
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const symbol: u32 = load<u8>(symbols + i)
    const below = bitsBelowToken((symbol + 1) >> 1)
    const low = (<u32>(load<u64>(extra) >> bits)) & ((1 << below) - 1)
    bits += below
    extra += bits >> 3
    bits &= 7
    if (extra > end) return false
    const from = load<u32>(base + (i << 2))
    const to = order32(from) + outward(differenceOf(symbol, below, low), from >> 31)
    store<u32>(post + (i << 2), order32(to))
  }
  return endsAt(extra, bits, end)
}

/** Sign and magnitude to two's complement order and back: below zero all bits but the sign flip. */
function order16(bits: u32): u32 {
  return bits ^ ((0 - (bits >> 15)) & 0x7fff)
}

function order32(bits: u32): u32 {
  return bits ^ ((<u32>((<i32>bits) >> 31)) >> 1)
}

/** The negative of a difference where `negative` is 1; its own inverse. */
function outward(difference: u32, negative: u32): u32 {
  return (difference ^ (0 - negative)) + negative
}

/** Bits of a magnitude below its three highest. */
function bitsBelow(magnitude: u32): u32 {
  return max(29 - <i32>clz(magnitude | 4), 0)
}

function symbolOf(magnitude: u32, below: u32, negative: bool): u32 {
  const token = (below << 2) + (magnitude >> below)
  return (token << 1) - u32(!negative && token > 0)
}

function bitsBelowToken(token: u32): u32 {
  return max(<i32>(token >> 2) - 1, 0)
}

function differenceOf(symbol: u32, below: u32, low: u32): u32 {
  const token = (symbol + 1) >> 1
  const magnitude = ((token - (below << 2)) << below) | low
  return outward(magnitude, (symbol & 1) ^ 1)
}

/** Whether reading stopped in the last byte, whose spare bits are 0. */
function endsAt(extra: usize, bits: u32, end: usize): bool {
  if (bits == 0) return extra == end
  return extra + 1 == end && (<u32>load<u8>(extra)) >> bits == 0
}
