import assert from 'node:assert/strict'
import { type Matrix, PACK_BYTES } from '../../../src/compute/kernels.ts'
import { columnsOf, matrixOf, rowsOf, transposed } from '../../../src/compute/matrix/matrix.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { createRandom } from '../../../src/random.ts'

const kernels = openKernels()
const packs = kernels.allocate(PACK_BYTES)

function random(rows: number, columns: number): Matrix {
  const matrix = matrixOf(kernels.allocate(rows * columns * 4), rows, columns)
  const source = createRandom('products', rows, columns)
  for (let i = 0; i < rows * columns; i++) matrix.region.f32[i] = source.normal()
  return matrix
}

function at({ region, at, rowStep, columnStep }: Matrix, i: number, j: number): number {
  return region.f32[at + i * rowStep + j * columnStep]!
}

function numbersOf(matrix: Matrix): Float32Array {
  const { rows, columns } = matrix
  return Float32Array.from({ length: rows * columns }, (_, k) =>
    at(matrix, Math.floor(k / columns), k % columns),
  )
}

/** Each element summed in order, every product and sum rounded to f32. */
function naive(left: Matrix, right: Matrix): Float32Array {
  return Float32Array.from({ length: left.rows * right.columns }, (_, k) => {
    const [i, j] = [Math.floor(k / right.columns), k % right.columns]
    let sum = 0
    for (let r = 0; r < left.columns; r++) {
      sum = Math.fround(sum + Math.fround(at(left, i, r) * at(right, r, j)))
    }
    return sum
  })
}

function multiply(left: Matrix, right: Matrix): Float32Array {
  const out = matrixOf(kernels.allocate(left.rows * right.columns * 4), left.rows, right.columns)
  out.region.f32.fill(NaN)
  kernels.multiply(left, right, out, packs)
  const numbers = numbersOf(out)
  kernels.release(out.region)
  return numbers
}

const sizes = [
  [1, 1, 1],
  [3, 5, 2],
  [4, 8, 8],
  [5, 300, 9],
  [33, 34, 130],
  [65, 40, 17],
  [530, 3, 136],
  [6, 2100, 5],
] as const

describe('matrix products', () => {
  it('sum each element in order with every step rounded to f32, whichever factor is transposed', () => {
    for (const [rows, inner, columns] of sizes) {
      const lefts = [random(rows, inner), transposed(random(inner, rows))]
      const rights = [random(inner, columns), transposed(random(columns, inner))]
      for (const left of lefts) {
        for (const right of rights) assert.deepEqual(multiply(left, right), naive(left, right))
      }
    }
  })

  it('do not depend on how the matrices are cut', () => {
    const [left, right] = [random(70, 90), random(90, 150)]
    const whole = multiply(left, right)
    const out = matrixOf(kernels.allocate(70 * 150 * 4), 70, 150)
    for (const [row, rows] of [
      [0, 31],
      [31, 39],
    ] as const) {
      for (const [column, columns] of [
        [0, 1],
        [1, 149],
      ] as const) {
        const part = columnsOf(rowsOf(out, row, rows), column, columns)
        kernels.multiply(rowsOf(left, row, rows), columnsOf(right, column, columns), part, packs)
      }
    }
    assert.deepEqual(numbersOf(out), whole)
  })

  it('write nothing beside the result', () => {
    const region = kernels.allocate(20 * 20 * 4)
    region.f32.fill(7)
    const out = columnsOf(rowsOf(matrixOf(region, 20, 20), 3, 5), 2, 9)
    kernels.multiply(random(5, 4), random(4, 9), out, packs)
    const inside = new Set<number>()
    for (let i = 3; i < 8; i++) for (let j = 2; j < 11; j++) inside.add(i * 20 + j)
    region.f32.subarray(0, 400).forEach((value, k) => assert.ok(inside.has(k) || value === 7))
  })

  it('of factors without an inner index are 0, without rows or columns nothing', () => {
    assert.deepEqual(multiply(random(3, 0), random(0, 5)), new Float32Array(15))
    assert.deepEqual(multiply(random(0, 4), random(4, 5)), new Float32Array(0))
    assert.deepEqual(multiply(random(3, 4), random(4, 0)), new Float32Array(0))
  })

  it('of all pairs of rows are exact in f64 up to the order of the sum', () => {
    for (const [rows, inner] of [
      [1, 1],
      [5, 700],
      [70, 33],
      [34, 300],
    ] as const) {
      for (const x of [random(rows, inner), transposed(random(inner, rows))]) {
        const out = kernels.allocate(rows * rows * 8)
        const gram = kernels.gram(x, out, packs)
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < rows; j++) {
            let sum = 0
            for (let k = 0; k < inner; k++) sum += at(x, i, k) * at(x, j, k)
            assert.ok(Math.abs(gram[i * rows + j]! - sum) < 1e-13 * inner)
          }
        }
        kernels.release(out)
      }
    }
  })

  it('refuse shapes that do not fit and regions that are too small', () => {
    const [a, b] = [random(3, 4), random(5, 6)]
    const out = matrixOf(kernels.allocate(72), 3, 6)
    const small = matrixOf(kernels.allocate(0), 3, 6)
    const both = { ...random(4, 6), rowStep: 12, columnStep: 2 }
    for (const [left, right, to] of [
      [a, b, out],
      [a, random(4, 6), small],
      [a, both, out],
      [a, random(4, 6), transposed(matrixOf(out.region, 6, 3))],
    ] as const) {
      assert.throws(() => kernels.multiply(left, right, to, packs), InvalidInputError)
    }
    assert.throws(() => kernels.multiply(a, random(4, 6), out, small.region), InvalidInputError)
  })
})
