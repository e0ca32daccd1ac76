/**
 * Panels of vectors for products of matrices. Element k of vector i lies at `vector · i + element ·
 * k` bytes; one of the two strides is 4.
 */

/** Elements of the left factor and of the right one that are packed at a time. */
export const leftElements: u32 = 8192
export const rightElements: u32 = 32_768

/** Vectors of a right factor that are packed at a time, at most. */
export const wide: u32 = 128

/** Sides of a packed block of the left factor: the longer one is contiguous, as memory likes it. */
export const long: u32 = 512
export const short: u32 = leftElements / long

/** In the caller's room: panels of the left factor, of the right one, and a tile for the edge. */
export const rightAt: u32 = leftElements << 2
export const edgeAt: u32 = rightAt + (rightElements << 2)

/**
 * Packs `count` vectors of `depth` elements into panels of `width` (4 or 8) vectors, in which the
 * vectors' elements of one index lie side by side; missing vectors are 0.
 */
export function pack(
  x: usize,
  vector: u32,
  element: u32,
  count: u32,
  depth: u32,
  out: usize,
  width: u32,
): void {
  const panelBytes = (width * depth) << 2
  for (let i: u32 = 0; i < count; i += width, out += panelBytes) {
    for (let lane: u32 = 0; lane < width; lane += 4) {
      const from = x + (i + lane) * vector
      const to = out + (lane << 2)
      if (i + lane + 4 > count)
        packEdge(from, vector, element, i + lane, count, depth, to, width << 2)
      else if (vector == 4) packSide(from, element, depth, to, width << 2)
      else packAcross(from, vector, depth, to, width << 2)
    }
  }
}

/** Four vectors whose elements of one index lie side by side already. */
function packSide(x: usize, element: u32, depth: u32, out: usize, step: u32): void {
  for (let k: u32 = 0; k < depth; k++, x += element, out += step) v128.store(out, v128.load(x))
}

/** Four vectors that are contiguous each: turned in squares of four. */
function packAcross(x: usize, vector: u32, depth: u32, out: usize, step: u32): void {
  const whole = depth & ~3
  let k: u32 = 0
  for (; k < whole; k += 4, x += 16, out += step << 2) {
    const r0 = v128.load(x)
    const r1 = v128.load(x + vector)
    const r2 = v128.load(x + 2 * vector)
    const r3 = v128.load(x + 3 * vector)
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
    v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2))
    v128.store(out + step, v128.shuffle<i64>(low01, low23, 1, 3))
    v128.store(out + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2))
    v128.store(out + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3))
  }
  for (; k < depth; k++, x += 4, out += step) {
    for (let lane: u32 = 0; lane < 4; lane++)
      store<f32>(out + (lane << 2), load<f32>(x + lane * vector))
  }
}

function packEdge(
  x: usize,
  vector: u32,
  element: u32,
  from: u32,
  count: u32,
  depth: u32,
  out: usize,
  step: u32,
): void {
  for (let k: u32 = 0; k < depth; k++, x += element, out += step) {
    for (let lane: u32 = 0; lane < 4; lane++) {
      store<f32>(out + (lane << 2), from + lane < count ? load<f32>(x + lane * vector) : 0)
    }
  }
}
