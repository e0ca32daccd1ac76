/**
 * Products of all pairs of vectors, see matrix.ts.
 */

import { edgeAt, long, pack, rightAt, short } from './pack'

/**
 * out (size × size, f64) = the products of all pairs of `size` vectors of `inner` elements, on and
 * above the diagonal, of rows `first` … `first + count`; the tiles that the diagonal crosses are
 * whole. Products of two f32 are exact.
 */
export function gram(
  x: usize,
  vector: u32,
  element: u32,
  first: u32,
  count: u32,
  size: u32,
  inner: u32,
  out: usize,
  packs: usize,
): void {
  const end = first + count
  memory.fill(out + ((first * size) << 3), 0, (count * size) << 3)
  const block = element == 4 ? short : long
  const innerBlock = element == 4 ? long : short
  const others = packs + rightAt
  for (let k: u32 = 0; k < inner; k += innerBlock) {
    const depth = min(inner - k, innerBlock)
    for (let i = first; i < end; i += block) {
      const height = min(end - i, block)
      pack(x + i * vector + k * element, vector, element, height, depth, packs, 4)
      for (let j = i; j < size; j += block) {
        const width = min(size - j, block)
        pack(x + j * vector + k * element, vector, element, width, depth, others, 4)
        for (let ii: u32 = 0; ii < height; ii += 4) {
          for (let jj: u32 = j == i ? ii : 0; jj < width; jj += 4) {
            const c = out + (((i + ii) * size + j + jj) << 3)
            const a = packs + ((ii * depth) << 2)
            const b = others + ((jj * depth) << 2)
            gramTile(a, b, depth, packs + edgeAt)
            addTile(packs + edgeAt, c, size << 3, min(height - ii, 4), min(width - jj, 4))
          }
        }
      }
    }
  }
}

function addTile(tile: usize, c: usize, row: u32, rows: u32, columns: u32): void {
  for (let i: u32 = 0; i < rows; i++, tile += 32, c += row) {
    for (let j: u32 = 0; j < columns; j++) {
      store<f64>(c + (j << 3), load<f64>(c + (j << 3)) + load<f64>(tile + (j << 3)))
    }
  }
}

/** Four by four sums of products in f64. */
function gramTile(a: usize, b: usize, depth: u32, c: usize): void {
  let c00 = f64x2.splat(0)
  let c01 = f64x2.splat(0)
  let c10 = f64x2.splat(0)
  let c11 = f64x2.splat(0)
  let c20 = f64x2.splat(0)
  let c21 = f64x2.splat(0)
  let c30 = f64x2.splat(0)
  let c31 = f64x2.splat(0)
  const end = a + (depth << 4)
  for (; a < end; a += 16, b += 16) {
    const b0 = f64x2.promote_low_f32x4(v128.load64_zero(b))
    const b1 = f64x2.promote_low_f32x4(v128.load64_zero(b, 8))
    const a0 = f64x2.promote_low_f32x4(v128.load32_splat(a))
    c00 = f64x2.add(c00, f64x2.mul(a0, b0))
    c01 = f64x2.add(c01, f64x2.mul(a0, b1))
    const a1 = f64x2.promote_low_f32x4(v128.load32_splat(a, 4))
    c10 = f64x2.add(c10, f64x2.mul(a1, b0))
    c11 = f64x2.add(c11, f64x2.mul(a1, b1))
    const a2 = f64x2.promote_low_f32x4(v128.load32_splat(a, 8))
    c20 = f64x2.add(c20, f64x2.mul(a2, b0))
    c21 = f64x2.add(c21, f64x2.mul(a2, b1))
    const a3 = f64x2.promote_low_f32x4(v128.load32_splat(a, 12))
    c30 = f64x2.add(c30, f64x2.mul(a3, b0))
    c31 = f64x2.add(c31, f64x2.mul(a3, b1))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(c, c10, 32)
  v128.store(c, c11, 48)
  v128.store(c, c20, 64)
  v128.store(c, c21, 80)
  v128.store(c, c30, 96)
  v128.store(c, c31, 112)
}
