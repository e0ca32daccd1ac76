/**
 * Exact differences: bit patterns as whole numbers in the order of their values, subtracted modulo
 * 2^width and counted away from zero, which is backwards where the base is negative.
 *
 * A magnitude is a token, which holds its length and its highest three bits, and the bits below
 * those, which go to `extra`. The symbol is 2 · token − 1 away from zero and 2 · token towards it
 * or at 0. `width` is 16 or 32; `shift` are the bits below the exponent.
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
  let i: u32 = 0
  if (width == 16) {
    for (; i + 8 <= count; i += 8) {
      const from = v128.load(base + (i << 1))
      const to = v128.load(post + (i << 1))
      const negative = i16x8.shr_s(from, 15)
      const away = i16x8.sub(orderedLanes(to), orderedLanes(from))
      const difference = i16x8.sub(v128.xor(away, negative), negative)
      const magnitudes = i16x8.abs(difference)
      const first = i32x4.extend_low_i16x8_u(magnitudes)
      const second = i32x4.extend_high_i16x8_u(magnitudes)
      const tokens = i16x8.narrow_i32x4_u(tokensOf(first), tokensOf(second))
      const isAway = i16x8.gt_s(difference, i16x8.splat(0))
      // A lane of isAway is −1 where it holds.
      const symbolLanes = i16x8.add(i16x8.shl(tokens, 1), isAway)
      v128.store64_lane(symbols + i, i8x16.narrow_i16x8_u(symbolLanes, symbolLanes), 0)
      const exponentLanes = i16x8.shr_u(i16x8.shl(from, 1), shift + 1)
      const places = i64x2.extract_lane(i8x16.narrow_i16x8_u(exponentLanes, exponentLanes), 0)
      store<u64>(contexts + i, mapped(places, map))
      if (!v128.any_true(i16x8.gt_u(magnitudes, i16x8.splat(7)))) continue

      for (let half = 0; half < 2; half++) {
        const magnitude = half == 0 ? first : second
        const floats = f32x4.convert_i32x4_u(magnitude)
        const below = belowOf(floats)
        // The highest three bits of each are the float without the rest of its fraction.
        const highest = i32x4.trunc_sat_f32x4_u(v128.and(floats, i32x4.splat(0xffe00000)))
        const low = v128.and(i32x4.sub(magnitude, highest), i32x4.gt_u(magnitude, i32x4.splat(7)))
        // 2^below, whose exponent as a float is below + 127.
        const unit = i32x4.trunc_sat_f32x4_u(i32x4.shl(i32x4.add(below, i32x4.splat(127)), 23))
        // The second of each pair goes on where the first ends, at most 13 bits later.
        const pair = i64x2.add(
          v128.and(low, i64x2.splat(0xffffffff)),
          i32x4.mul(i64x2.shr_u(low, 32), unit),
        )
        const length = i32x4.add(below, i64x2.shr_u(below, 32))
        const firstLength = <u32>i32x4.extract_lane(length, 0)
        const four: u64 = i64x2.extract_lane(pair, 0) | (i64x2.extract_lane(pair, 1) << firstLength)
        held |= four << bits
        bits += firstLength + <u32>i32x4.extract_lane(length, 2)
        store<u64>(extra, held)
        extra += bits >> 3
        held >>= bits & ~7
        bits &= 7
      }
    }
  }
  for (; i < count; i++) {
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
  let i: u32 = 0
  while (i < count) {
    if (width == 16 && i + 8 <= count) {
      const lanes = v128.load8x8_u(symbols + i)
      if (!v128.any_true(i16x8.gt_u(lanes, i16x8.splat(largestPlain)))) {
        joinPlain(lanes, base + (i << 1), post + (i << 1))
        i += 8
        continue
      }
    }
    for (const last = min(i + 8, count); i < last; i++) {
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
  }
  if (bits == 0) return extra == end
  return extra + 1 == end && (<u32>load<u8>(extra)) >> bits == 0
}

/** Symbols up to this one are magnitudes below 8, without extra bits. */
const largestPlain: i16 = 14

/** Eight elements of 16 bits. */
function joinPlain(symbols: v128, base: usize, post: usize): void {
  const from = v128.load(base)
  const one = i16x8.splat(1)
  const magnitudes = i16x8.shr_u(i16x8.add(symbols, one), 1)
  const towards = i16x8.sub(v128.and(symbols, one), one)
  const negative = v128.xor(i16x8.shr_s(from, 15), towards)
  const differences = i16x8.sub(v128.xor(magnitudes, negative), negative)
  v128.store(post, orderedLanes(i16x8.add(orderedLanes(from), differences)))
}

function patternAt(values: usize, i: u32, width: u32): u32 {
  return width == 16 ? <u32>load<u16>(values + (i << 1)) : load<u32>(values + (i << 2))
}

function contextOf(pattern: u32, above: u32, map: usize, shift: u32): u32 {
  const magnitude = (pattern << above) & 0x7fffffff
  return load<u8>(map + (magnitude >> (above + shift)))
}

/** The contexts of eight exponents, one per byte. */
function mapped(exponents: u64, map: usize): u64 {
  let contexts: u64 = 0
  for (let shift: u64 = 0; shift < 64; shift += 8) {
    contexts |= (<u64>load<u8>(map + <usize>((exponents >> shift) & 0xff))) << shift
  }
  return contexts
}

/** As floats, magnitudes from 4 have four times their length and their next two bits in a row. */
function tokensOf(magnitude: v128): v128 {
  const floats = f32x4.convert_i32x4_u(magnitude)
  const tokens = i32x4.sub(i32x4.shr_u(floats, 21), i32x4.splat(512))
  return v128.bitselect(magnitude, tokens, i32x4.lt_u(magnitude, i32x4.splat(4)))
}

/** Bits below the highest three of whole numbers. */
function belowOf(floats: v128): v128 {
  return i32x4.max_s(i32x4.sub(i32x4.shr_u(floats, 23), i32x4.splat(129)), i32x4.splat(0))
}

function orderedLanes(patterns: v128): v128 {
  return v128.xor(patterns, v128.and(i16x8.shr_s(patterns, 15), i16x8.splat(0x7fff)))
}

/** Sign and magnitude to two's complement order and back: below zero all bits but the sign flip. */
function ordered(pattern: u32, width: u32): u32 {
  return pattern ^ (((1 << (width - 1)) - 1) & (0 - (pattern >> (width - 1))))
}

function negatedIf(negative: u32, value: u32): u32 {
  return (value ^ (0 - negative)) + negative
}
