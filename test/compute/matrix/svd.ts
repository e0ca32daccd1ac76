import { createRandom } from '../../../src/random.ts'

/** A naive singular value decomposition in f64: one-sided Jacobi on the shorter side's vectors. */
export interface NaiveSvd {
  readonly values: number[]
  /** The nearest matrix of that rank, row by row. */
  truncated(rank: number): Float64Array
}

export function naiveSvd(matrix: ArrayLike<number>, rows: number, columns: number): NaiveSvd {
  const wide = rows < columns
  const [height, width] = wide ? [columns, rows] : [rows, columns]
  const u = Array.from({ length: width }, (_, j) =>
    Float64Array.from({ length: height }, (_, i) =>
      wide ? matrix[j * columns + i]! : matrix[i * columns + j]!,
    ),
  )
  const v = u.map((_, j) => Float64Array.from(u, (_, i) => (i === j ? 1 : 0)))
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotated = false
    for (let p = 0; p < width; p++) {
      for (let q = p + 1; q < width; q++) {
        const [a, b, c] = [dot(u[p]!, u[p]!), dot(u[q]!, u[q]!), dot(u[p]!, u[q]!)]
        if (Math.abs(c) <= 1e-15 * Math.sqrt(a * b)) continue
        rotated = true
        const zeta = (b - a) / (2 * c)
        const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
        const cosine = 1 / Math.sqrt(1 + t * t)
        for (const w of [u, v]) rotate(w[p]!, w[q]!, cosine, cosine * t)
      }
    }
    if (!rotated) break
  }
  const norms = u.map((column) => Math.sqrt(dot(column, column)))
  const order = [...norms.keys()].sort((a, b) => norms[b]! - norms[a]!)
  return {
    values: order.map((j) => norms[j]!),
    truncated(rank) {
      const out = new Float64Array(rows * columns)
      for (const j of order.slice(0, rank)) {
        for (let i = 0; i < height; i++) {
          for (let k = 0; k < width; k++) {
            out[wide ? k * columns + i : i * columns + k]! += u[j]![i]! * v[j]![k]!
          }
        }
      }
      return out
    },
  }
}

/** A matrix with these singular values, between two random reflections. */
export function withSpectrum(
  values: readonly number[],
  rows: number,
  columns: number,
): Float32Array {
  const [v, w] = [unit(rows), unit(columns)]
  const weighted = values.reduce((sum, value, i) => sum + value * v[i]! * w[i]!, 0)
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns]
    const diagonal = i === j ? (values[i] ?? 0) : 0
    const left = v[i]! * v[j]! * (values[j] ?? 0)
    const right = (values[i] ?? 0) * w[i]! * w[j]!
    return diagonal - 2 * (left || 0) - 2 * (right || 0) + 4 * v[i]! * weighted * w[j]!
  })
}

function unit(length: number): Float64Array {
  const random = createRandom('reflection', length)
  const vector = Float64Array.from({ length }, () => random.normal())
  const norm = Math.sqrt(dot(vector, vector))
  return vector.map((value) => value / norm)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!]
    a[i] = c * x - s * y
    b[i] = s * x + c * y
  }
}
