/**
 * Magnitudes in blocks: which of a list of ascending borders an element has passed, sums by block and
 * values by block.
 */

/**
 * A search among 2 · `half` − 1 borders, the same steps for every element. An element equal to
 * borders goes before the first that still takes a tie.
 */
export function assignBlocks(
  x: usize,
  indexes: usize,
  count: u32,
  borders: usize,
  ties: usize,
  half: u32,
): void {
  const end = x + (count << 2)
  for (; x < end; x += 4, indexes++) {
    const magnitude = load<u32>(x) & 0x7fffffff
    let passed = borders
    for (let step: usize = half << 2; step > 0; step = (step >> 1) & ~3) {
      const next = passed + step
      passed = select<usize>(next, passed, load<u32>(next - 4) <= magnitude)
    }
    if (passed > borders && load<u32>(passed - 4) == magnitude) {
      passed = beforeTie(passed, magnitude, borders, ties)
    }
    store<u8>(indexes, (passed - borders) >> 2)
  }
}

function beforeTie(passed: usize, magnitude: u32, borders: usize, ties: usize): usize {
  let first = passed - 4
  while (first > borders && load<u32>(first - 4) == magnitude) first -= 4
  for (; first < passed; first += 4) {
    const left = ties + (first - borders)
    const takes = load<u32>(left)
    if (takes == 0) continue
    store<u32>(left, takes - 1)
    return first
  }
  return passed
}

/** `bits` is what of an element's bits counts: all, or all but the sign. */
export function sumBlocks(x: usize, indexes: usize, count: u32, sums: usize, bits: u32): void {
  const end = x + (count << 2)
  const one = f64x2.splat(1)
  for (; x < end; x += 4, indexes++) {
    const value = <f64>reinterpret<f32>(load<u32>(x) & bits)
    const at = sums + ((<usize>load<u8>(indexes)) << 4)
    v128.store(at, f64x2.add(v128.load(at), f64x2.replace_lane(one, 0, value)))
  }
}

export function lookUpBlocks(indexes: usize, values: usize, out: usize, count: u32): u32 {
  const end = out + (count << 2)
  let highest: u32 = 0
  for (; out < end; indexes++, out += 4) {
    const index = <u32>load<u8>(indexes)
    highest = max(highest, index)
    store<u32>(out, load<u32>(values + (index << 2)))
  }
  return highest
}

export function signCodes(x: usize, indexes: usize, codes: usize, count: u32, ones: u32): void {
  const end = x + (count << 2)
  for (; x < end; x += 4, indexes++) {
    const negative = u32(load<f32>(x) < 0)
    store<u8>(indexes, (<u32>load<u8>(codes + load<u8>(indexes))) ^ (ones & (0 - negative)))
  }
}
