/**
 * Matrix products after Goto and van de Geijn (ACM TOMS 34, 2008): blocks of both factors are packed
 * into panels that stay in the caches, tiles of the result in registers. An element's sum runs over
 * the inner index in order, product and sum rounded separately, whatever the blocks: a later block
 * goes on where the one before has stored the sum.
 *
 * Element (i, j) of a matrix lies at `row · i + column · j` bytes; one of the two strides is 4.
 */

/**
 * A block of the left factor has 8192 elements, which the first-level cache holds: 256 in the direction
 * in which they are contiguous, so that the memory is read in long runs, by 32.
 */
const long: u32 = 256
const short: u32 = 32

/** Columns of the right factor that are packed at a time. */
const rightColumns: u32 = 128

/** In the caller's room: the left panels, the right ones, and a tile for the result's edge. */
const leftBytes: u32 = (long * short) << 2
const rightBytes: u32 = (rightColumns * long) << 2
const edgeAt: u32 = leftBytes + rightBytes

/** out = left · right; the rows of `out` are contiguous. */
export function multiply(
  left: usize,
  leftRow: u32,
  leftInner: u32,
  right: usize,
  rightInner: u32,
  rightColumn: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  inner: u32,
  columns: u32,
  packs: usize,
): void {
  if (inner == 0) {
    for (let i: u32 = 0; i < rows; i++) memory.fill(out + i * outRow, 0, columns << 2)
    return
  }
  const leftRows = leftInner == 4 ? short : long
  const innerBlock = leftInner == 4 ? long : short
  const rightPanels = packs + leftBytes
  for (let j: u32 = 0; j < columns; j += rightColumns) {
    const width = min(columns - j, rightColumns)
    for (let k: u32 = 0; k < inner; k += innerBlock) {
      const depth = min(inner - k, innerBlock)
      pack(
        right + j * rightColumn + k * rightInner,
        rightColumn,
        rightInner,
        width,
        depth,
        rightPanels,
        8,
      )
      for (let i: u32 = 0; i < rows; i += leftRows) {
        const height = min(rows - i, leftRows)
        pack(left + i * leftRow + k * leftInner, leftRow, leftInner, height, depth, packs, 4)
        multiplyBlock(packs, out + i * outRow + (j << 2), outRow, height, depth, width, k == 0)
      }
    }
  }
}

/** Adds the product of what is packed, or stores it. */
function multiplyBlock(
  packs: usize,
  out: usize,
  outRow: u32,
  height: u32,
  depth: u32,
  width: u32,
  first: bool,
): void {
  const edge = packs + edgeAt
  for (let j: u32 = 0; j < width; j += 8) {
    const b = packs + leftBytes + ((j * depth) << 2)
    for (let i: u32 = 0; i < height; i += 4) {
      const a = packs + ((i * depth) << 2)
      const c = out + i * outRow + (j << 2)
      if (height - i >= 4 && width - j >= 8) {
        multiplyTile(a, b, depth, c, outRow, first)
      } else {
        const tileRows = min(height - i, 4)
        const bytes = min(width - j, 8) << 2
        if (!first) copyRows(c, outRow, edge, 32, tileRows, bytes)
        multiplyTile(a, b, depth, edge, 32, first)
        copyRows(edge, 32, c, outRow, tileRows, bytes)
      }
    }
  }
}

function copyRows(from: usize, fromRow: u32, to: usize, toRow: u32, rows: u32, bytes: u32): void {
  for (let i: u32 = 0; i < rows; i++, from += fromRow, to += toRow) memory.copy(to, from, bytes)
}

/** Four rows by eight columns. */
function multiplyTile(a: usize, b: usize, depth: u32, c: usize, row: u32, first: bool): void {
  let c00 = f32x4.splat(0)
  let c01 = f32x4.splat(0)
  let c10 = f32x4.splat(0)
  let c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0)
  let c21 = f32x4.splat(0)
  let c30 = f32x4.splat(0)
  let c31 = f32x4.splat(0)
  const c1 = c + row
  const c2 = c1 + row
  const c3 = c2 + row
  if (!first) {
    c00 = v128.load(c)
    c01 = v128.load(c, 16)
    c10 = v128.load(c1)
    c11 = v128.load(c1, 16)
    c20 = v128.load(c2)
    c21 = v128.load(c2, 16)
    c30 = v128.load(c3)
    c31 = v128.load(c3, 16)
  }
  const end = a + (depth << 4)
  for (; a < end; a += 16, b += 32) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const a0 = v128.load32_splat(a)
    c00 = f32x4.add(c00, f32x4.mul(a0, b0))
    c01 = f32x4.add(c01, f32x4.mul(a0, b1))
    const a1 = v128.load32_splat(a, 4)
    c10 = f32x4.add(c10, f32x4.mul(a1, b0))
    c11 = f32x4.add(c11, f32x4.mul(a1, b1))
    const a2 = v128.load32_splat(a, 8)
    c20 = f32x4.add(c20, f32x4.mul(a2, b0))
    c21 = f32x4.add(c21, f32x4.mul(a2, b1))
    const a3 = v128.load32_splat(a, 12)
    c30 = f32x4.add(c30, f32x4.mul(a3, b0))
    c31 = f32x4.add(c31, f32x4.mul(a3, b1))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(c1, c10)
  v128.store(c1, c11, 16)
  v128.store(c2, c20)
  v128.store(c2, c21, 16)
  v128.store(c3, c30)
  v128.store(c3, c31, 16)
}

/**
 * out (size × size, f64) = the products of all pairs of `size` vectors of `inner` elements, on and
 * above the diagonal; the tiles that the diagonal crosses are whole. Products of two f32 are exact.
 */
export function gram(
  x: usize,
  vector: u32,
  element: u32,
  size: u32,
  inner: u32,
  out: usize,
  packs: usize,
): void {
  memory.fill(out, 0, (size * size) << 3)
  const leftRows = element == 4 ? short : long
  const innerBlock = element == 4 ? long : short
  const others = packs + leftBytes
  for (let k: u32 = 0; k < inner; k += innerBlock) {
    const depth = min(inner - k, innerBlock)
    for (let i: u32 = 0; i < size; i += leftRows) {
      const height = min(size - i, leftRows)
      pack(x + i * vector + k * element, vector, element, height, depth, packs, 4)
      for (let j = i; j < size; j += leftRows) {
        const width = min(size - j, leftRows)
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

/**
 * Packs `count` vectors of `depth` elements into panels of `width` (4 or 8) vectors, in which the
 * vectors' elements of one index lie side by side; missing vectors are 0.
 */
function pack(
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
