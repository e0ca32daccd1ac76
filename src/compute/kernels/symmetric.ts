import { InvalidInputError } from '../../errors.ts'
import { holds, type Region } from './region.ts'
import type { Splits } from './split.ts'

/**
 * Steps of the eigenvalue problem of a symmetric matrix, in f64: a region holds its `stride` ×
 * `stride` elements row by row, of which the leading `size` rows and columns are looked at.
 */
export interface SymmetricKernels {
  /** out = the product of the matrix with `x`; reads only what is on and right of the diagonal. */
  multiplySymmetric(z: Region, stride: number, size: number, x: Region, out: Region): void
  /** Subtracts x · yᵀ + y · xᵀ on and right of the diagonal. */
  subtractPair(z: Region, stride: number, size: number, x: Region, y: Region): void
  /** Subtracts (z · x) · yᵀ, where `x` is the row below. */
  reflectRows(z: Region, stride: number, size: number, y: Region): void
  /**
   * Rotates whole rows: `last` with the one before by the first pair of cosine and sine of
   * `angles`, that one with the one before it by the next, and so on. Rows (a, b) become (c·a −
   * s·b, s·a + c·b).
   */
  rotateRows(z: Region, stride: number, last: number, angles: Region, rotations: number): void
}

/** What assembly/symmetric.ts exports; strides in bytes. */
export interface SymmetricExports {
  multiplySymmetric(z: number, stride: number, size: number, x: number, out: number): void
  subtractPair(z: number, stride: number, size: number, x: number, y: number): void
  reflectRows(z: number, stride: number, rows: number, count: number, x: number, y: number): void
  rotateRows(z: number, stride: number, columns: number, angles: number, rotations: number): void
}

const DOUBLE = 8

export const symmetricSplits: Splits<SymmetricExports> = {
  rotateRows: {
    moves: [DOUBLE, 0, 'count', 0, 0],
    // Each rotation takes an element about as long as a copy of two floats.
    work: (args) => 2 * args[4]!,
    grain: 8,
  },
}

export function bindSymmetric(wasm: SymmetricExports): SymmetricKernels {
  return {
    multiplySymmetric(z, stride, size, x, out) {
      holdSquare(z, stride, size)
      holdDoubles(size, x, out)
      wasm.multiplySymmetric(z.pointer, stride * DOUBLE, size, x.pointer, out.pointer)
    },
    subtractPair(z, stride, size, x, y) {
      holdSquare(z, stride, size)
      holdDoubles(size, x, y)
      wasm.subtractPair(z.pointer, stride * DOUBLE, size, x.pointer, y.pointer)
    },
    reflectRows(z, stride, size, y) {
      holdSquare(z, stride, size + 1)
      holdDoubles(size, y)
      const below = z.pointer + size * stride * DOUBLE
      wasm.reflectRows(z.pointer, stride * DOUBLE, size, size, below, y.pointer)
    },
    rotateRows(z, stride, last, angles, rotations) {
      holdSquare(z, stride, last + 1)
      holdDoubles(2 * rotations, angles)
      if (!(rotations >= 0 && rotations <= last)) throw outside(last, rotations)
      const row = z.pointer + last * stride * DOUBLE
      wasm.rotateRows(row, stride * DOUBLE, stride, angles.pointer, rotations)
    },
  }
}

function holdSquare(z: Region, stride: number, size: number): void {
  if (!(size <= stride)) throw outside(stride, size)
  holds(z, stride * stride * DOUBLE)
}

function holdDoubles(count: number, ...regions: readonly Region[]): void {
  for (const region of regions) holds(region, count * DOUBLE)
}

function outside(most: number, actual: number): InvalidInputError {
  return new InvalidInputError('E_SHAPE', `expected at most ${most} rows, got ${actual}`, {
    expected: most,
    actual,
  })
}
