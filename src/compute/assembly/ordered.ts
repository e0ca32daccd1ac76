/**
 * Exact differences: bit patterns as whole numbers in the order of their values, subtracted modulo
 * 2^width and counted away from zero, which is backwards where the base is negative.
 *
 * A magnitude is a token, which holds its length and its highest three bits, and the bits below those,
 * which go to `extra`. The symbol is 2 · token − 1 away from zero and 2 · token towards it or at 0.
 * `width` is 16 or 32; `shift` are the bits below the exponent.
 */

export function splitDifference(
  post: usize,
  base: usize,
  count: u32,
  width: u32,
  map: usize,
  shift: u32,
  symbols: usize,
  contexts: usize,
  extra: usize,
): usize {
  const start = extra
  const above = 32 - width
  let held: u64 = 0
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const from = patternAt(base, i, width)
    const to = patternAt(post, i, width)
    const away = negatedIf(from >> (width - 1), ordered(to, width) - ordered(from, width))
    const difference = (<i32>(away << above)) >> above
    const magnitude = <u32>abs(difference)
    const below = max(29 - <i32>clz(magnitude | 4), 0)
    const token = (below << 2) + (magnitude >> below)
    store<u8>(symbols + i, (token << 1) - u32(difference > 0))
    store<u8>(contexts + i, contextOf(from, above, map, shift))
    held |= (<u64>(magnitude & ((1 << below) - 1))) << bits
    bits += below
    store<u64>(extra, held)
    extra += bits >> 3
    held >>= bits & ~7
    bits &= 7
  }
  return extra - start + usize(bits > 0)
}

export function exponents(
  base: usize,
  count: u32,
  width: u32,
  map: usize,
  shift: u32,
  contexts: usize,
): void {
  for (let i: u32 = 0; i < count; i++) {
    store<u8>(contexts + i, contextOf(patternAt(base, i, width), 32 - width, map, shift))
  }
}

/** Gives false unless `extra … end` holds exactly the bits that the symbols ask for. */
export function joinDifference(
  symbols: usize,
  extra: usize,
  end: usize,
  base: usize,
  post: usize,
  count: u32,
  width: u32,
): bool {
  let bits: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const symbol: u32 = load<u8>(symbols + i)
    const token = (symbol + 1) >> 1
    const below = max(<i32>(token >> 2) - 1, 0)
    // May read 8 bytes past the last one: every region is followed by padding.
    const low = (<u32>(load<u64>(extra) >> bits)) & ((1 << below) - 1)
    const magnitude = ((token - (below << 2)) << below) | low
    bits += below
    extra += bits >> 3
    bits &= 7
    if (extra > end) return false
    const from = patternAt(base, i, width)
    const difference = negatedIf((from >> (width - 1)) ^ ((symbol & 1) ^ 1), magnitude)
    const to = ordered(from, width) + difference
    if (width == 16) store<u16>(post + (i << 1), ordered(to & 0xffff, 16))
    else store<u32>(post + (i << 2), ordered(to, 32))
  }
  if (bits == 0) return extra == end
  return extra + 1 == end && (<u32>load<u8>(extra)) >> bits == 0
}

function patternAt(values: usize, i: u32, width: u32): u32 {
  return width == 16 ? <u32>load<u16>(values + (i << 1)) : load<u32>(values + (i << 2))
}

function contextOf(pattern: u32, above: u32, map: usize, shift: u32): u32 {
  const magnitude = (pattern << above) & 0x7fffffff
  return load<u8>(map + (magnitude >> (above + shift)))
}

/** Sign and magnitude to two's complement order and back: below zero all bits but the sign flip. */
function ordered(pattern: u32, width: u32): u32 {
  return pattern ^ (((1 << (width - 1)) - 1) & (0 - (pattern >> (width - 1))))
}

function negatedIf(negative: u32, value: u32): u32 {
  return (value ^ (0 - negative)) + negative
}
