/**
 * Matrix products after Goto and van de Geijn (ACM TOMS 34, 2008): blocks of both factors are
 * packed into panels that stay in the caches, tiles of the result in registers. An element's sum
 * runs over the inner index in order, product and sum rounded separately, whatever the blocks: a
 * later block goes on where the one before has stored the sum.
 *
 * Element (i, j) of a matrix lies at `row · i + column · j` bytes; one of the two strides is 4.
 */

import { edgeAt, leftElements, long, pack, rightAt, rightElements, short, wide } from './pack'

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
  if (inner == 0 || columns == 0) {
    for (let i: u32 = 0; i < rows; i++) memory.fill(out + i * outRow, 0, columns << 2)
    return
  }
  // The right factor's panels fill their room; four rows of the left one, the edge's, fit into
  // theirs.
  const deep = min(rightElements / min((columns + 7) & ~7, wide), leftElements / 4)
  const innerBlock = leftInner == 4 ? deep : short
  for (let j: u32 = 0; j < columns; j += wide) {
    const width = min(columns - j, wide)
    for (let k: u32 = 0; k < inner; k += innerBlock) {
      const depth = min(inner - k, innerBlock)
      const b = right + j * rightColumn + k * rightInner
      pack(b, rightColumn, rightInner, width, depth, packs + rightAt, 8)
      const a = left + k * leftInner
      const c = out + (j << 2)
      if (leftInner == 4) multiplyRows(a, leftRow, c, outRow, rows, depth, width, k == 0, packs)
      else multiplyColumns(a, leftInner, c, outRow, rows, depth, width, k == 0, packs)
    }
  }
}

/** Adds the product with what is packed, or stores it. Rows are read where they are. */
function multiplyRows(
  left: usize,
  leftRow: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  depth: u32,
  width: u32,
  first: bool,
  packs: usize,
): void {
  const whole = rows & ~3
  for (let i: u32 = 0; i < whole; i += 4) {
    const a = left + i * leftRow
    const c = out + i * outRow
    for (let j: u32 = 0; j < width; j += 8) {
      const b = packs + rightAt + ((j * depth) << 2)
      if (width - j >= 8) rowTile(a, leftRow, b, depth, c + (j << 2), outRow, first)
      else {
        const edge = packs + edgeAt
        const bytes = (width - j) << 2
        if (!first) copyRows(c + (j << 2), outRow, edge, 32, 4, bytes)
        rowTile(a, leftRow, b, depth, edge, 32, first)
        copyRows(edge, 32, c + (j << 2), outRow, 4, bytes)
      }
    }
  }
  if (whole == rows) return
  pack(left + whole * leftRow, leftRow, 4, rows - whole, depth, packs, 4)
  multiplyBlock(packs, out + whole * outRow, outRow, rows - whole, depth, width, first)
}

/** The same for a left factor whose columns are contiguous: its rows are packed first. */
function multiplyColumns(
  left: usize,
  leftInner: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  depth: u32,
  width: u32,
  first: bool,
  packs: usize,
): void {
  for (let i: u32 = 0; i < rows; i += long) {
    const height = min(rows - i, long)
    pack(left + (i << 2), 4, leftInner, height, depth, packs, 4)
    multiplyBlock(packs, out + i * outRow, outRow, height, depth, width, first)
  }
}

/** Both factors are packed. */
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
    const b = packs + rightAt + ((j * depth) << 2)
    for (let i: u32 = 0; i < height; i += 4) {
      const a = packs + ((i * depth) << 2)
      const c = out + i * outRow + (j << 2)
      if (height - i >= 4 && width - j >= 8) packedTile(a, b, depth, c, outRow, first)
      else {
        const tileRows = min(height - i, 4)
        const bytes = min(width - j, 8) << 2
        if (!first) copyRows(c, outRow, edge, 32, tileRows, bytes)
        packedTile(a, b, depth, edge, 32, first)
        copyRows(edge, 32, c, outRow, tileRows, bytes)
      }
    }
  }
}

function copyRows(from: usize, fromRow: u32, to: usize, toRow: u32, rows: u32, bytes: u32): void {
  for (let i: u32 = 0; i < rows; i++, from += fromRow, to += toRow) memory.copy(to, from, bytes)
}

/** Four packed rows by eight columns. */
function packedTile(a: usize, b: usize, depth: u32, c: usize, row: u32, first: bool): void {
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

/** Four rows where they are by eight columns. */
function rowTile(a: usize, step: u32, b: usize, depth: u32, c: usize, row: u32, first: bool): void {
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
  let r0 = a
  let r1 = r0 + step
  let r2 = r1 + step
  let r3 = r2 + step
  const whole = a + ((depth & ~1) << 2)
  const end = a + (depth << 2)
  for (; r0 < whole; b += 64, r0 += 8, r1 += 8, r2 += 8, r3 += 8) {
    const b00 = v128.load(b)
    const b01 = v128.load(b, 16)
    const a00 = v128.load32_splat(r0)
    c00 = f32x4.add(c00, f32x4.mul(a00, b00))
    c01 = f32x4.add(c01, f32x4.mul(a00, b01))
    const a01 = v128.load32_splat(r1)
    c10 = f32x4.add(c10, f32x4.mul(a01, b00))
    c11 = f32x4.add(c11, f32x4.mul(a01, b01))
    const a02 = v128.load32_splat(r2)
    c20 = f32x4.add(c20, f32x4.mul(a02, b00))
    c21 = f32x4.add(c21, f32x4.mul(a02, b01))
    const a03 = v128.load32_splat(r3)
    c30 = f32x4.add(c30, f32x4.mul(a03, b00))
    c31 = f32x4.add(c31, f32x4.mul(a03, b01))
    const b10 = v128.load(b, 32)
    const b11 = v128.load(b, 48)
    const a10 = v128.load32_splat(r0, 4)
    c00 = f32x4.add(c00, f32x4.mul(a10, b10))
    c01 = f32x4.add(c01, f32x4.mul(a10, b11))
    const a11 = v128.load32_splat(r1, 4)
    c10 = f32x4.add(c10, f32x4.mul(a11, b10))
    c11 = f32x4.add(c11, f32x4.mul(a11, b11))
    const a12 = v128.load32_splat(r2, 4)
    c20 = f32x4.add(c20, f32x4.mul(a12, b10))
    c21 = f32x4.add(c21, f32x4.mul(a12, b11))
    const a13 = v128.load32_splat(r3, 4)
    c30 = f32x4.add(c30, f32x4.mul(a13, b10))
    c31 = f32x4.add(c31, f32x4.mul(a13, b11))
  }
  for (; r0 < end; b += 32, r0 += 4, r1 += 4, r2 += 4, r3 += 4) {
    const b00 = v128.load(b)
    const b01 = v128.load(b, 16)
    const a00 = v128.load32_splat(r0)
    c00 = f32x4.add(c00, f32x4.mul(a00, b00))
    c01 = f32x4.add(c01, f32x4.mul(a00, b01))
    const a01 = v128.load32_splat(r1)
    c10 = f32x4.add(c10, f32x4.mul(a01, b00))
    c11 = f32x4.add(c11, f32x4.mul(a01, b01))
    const a02 = v128.load32_splat(r2)
    c20 = f32x4.add(c20, f32x4.mul(a02, b00))
    c21 = f32x4.add(c21, f32x4.mul(a02, b01))
    const a03 = v128.load32_splat(r3)
    c30 = f32x4.add(c30, f32x4.mul(a03, b00))
    c31 = f32x4.add(c31, f32x4.mul(a03, b01))
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
