/**
 * Eigenvalues and vectors of a symmetric matrix of `size` rows, in place: afterwards row i of `matrix`
 * holds the unit vector of value i; the values are in no order. Householder's tridiagonal form and the
 * implicit QL method (Wilkinson and Reinsch, Handbook for Automatic Computation II, tred2 and tql2),
 * with an error of some 10⁻¹⁵ of the largest value. Only + − × ÷ √ in a fixed order: the same bits on
 * every machine.
 */
export function symmetricEigen(matrix: Float64Array, size: number): Float64Array {
  const values = new Float64Array(size)
  const beside = new Float64Array(size)
  if (size > 0) {
    tridiagonalise(matrix, size, values, beside)
    diagonalise(matrix, size, values, beside)
  }
  return values
}

/**
 * Turns the matrix into the rows of the orthogonal transformation, and gives the tridiagonal form:
 * `diagonal`, and `beside[i]` between i − 1 and i. Element (k, j) of the handbook's z lies at j, k.
 */
function tridiagonalise(
  z: Float64Array,
  n: number,
  diagonal: Float64Array,
  beside: Float64Array,
): void {
  const [d, e] = [diagonal, beside]
  for (let j = 0; j < n; j++) d[j] = z[j * n + n - 1]!
  for (let i = n - 1; i > 0; i--) {
    let scale = 0
    for (let k = 0; k < i; k++) scale += Math.abs(d[k]!)
    if (scale === 0) {
      e[i] = d[i - 1]!
      for (let j = 0; j < i; j++) {
        d[j] = z[j * n + i - 1]!
        z[j * n + i] = 0
        z[i * n + j] = 0
      }
      d[i] = 0
      continue
    }
    let h = 0
    for (let k = 0; k < i; k++) {
      d[k]! /= scale
      h += d[k]! * d[k]!
    }
    const last = d[i - 1]!
    const g = last > 0 ? -Math.sqrt(h) : Math.sqrt(h)
    e[i] = scale * g
    h -= last * g
    d[i - 1] = last - g
    reflect(z, n, i, h, d, e)
    d[i] = h
  }
  accumulate(z, n, d)
  e[0] = 0
}

/** Applies the reflection along `d` (length² 2h) to the leading i × i part from both sides. */
function reflect(
  z: Float64Array,
  n: number,
  i: number,
  h: number,
  d: Float64Array,
  e: Float64Array,
): void {
  e.fill(0, 0, i)
  for (let j = 0; j < i; j++) {
    const row = j * n
    const f = d[j]!
    z[i * n + j] = f
    let g = e[j]! + z[row + j]! * f
    for (let k = j + 1; k < i; k++) {
      g += z[row + k]! * d[k]!
      e[k]! += z[row + k]! * f
    }
    e[j] = g
  }
  let sum = 0
  for (let j = 0; j < i; j++) {
    e[j]! /= h
    sum += e[j]! * d[j]!
  }
  const half = sum / (h + h)
  for (let j = 0; j < i; j++) e[j]! -= half * d[j]!
  for (let j = 0; j < i; j++) {
    const row = j * n
    const [f, g] = [d[j]!, e[j]!]
    for (let k = j; k < i; k++) z[row + k]! -= f * e[k]! + g * d[k]!
    d[j] = z[row + i - 1]!
    z[row + i] = 0
  }
}

/** Multiplies the stored reflections; leaves the diagonal in `d`. */
function accumulate(z: Float64Array, n: number, d: Float64Array): void {
  for (let i = 0; i < n - 1; i++) {
    const [row, next] = [i * n, (i + 1) * n]
    z[row + n - 1] = z[row + i]!
    z[row + i] = 1
    const h = d[i + 1]!
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = z[next + k]! / h
      for (let j = 0; j <= i; j++) {
        let g = 0
        for (let k = 0; k <= i; k++) g += z[next + k]! * z[j * n + k]!
        for (let k = 0; k <= i; k++) z[j * n + k]! -= g * d[k]!
      }
    }
    z.fill(0, next, next + i + 1)
  }
  for (let j = 0; j < n; j++) {
    d[j] = z[j * n + n - 1]!
    z[j * n + n - 1] = 0
  }
  z[n * n - 1] = 1
}

/** The QL method: `diagonal` becomes the eigenvalues, the rows of z their vectors. */
function diagonalise(
  z: Float64Array,
  n: number,
  diagonal: Float64Array,
  beside: Float64Array,
): void {
  const [d, e] = [diagonal, beside]
  e.copyWithin(0, 1)
  e[n - 1] = 0
  let shift = 0
  let largest = 0
  for (let l = 0; l < n; l++) {
    largest = Math.max(largest, Math.abs(d[l]!) + Math.abs(e[l]!))
    const negligible = Number.EPSILON * largest
    let m = l
    while (m < n - 1 && Math.abs(e[m]!) > negligible) m++
    if (m > l) while (Math.abs(e[l]!) > negligible) shift += step(z, n, l, m, d, e)
    d[l]! += shift
    e[l] = 0
  }
}

/** One implicit step on rows l … m; gives what it has subtracted from the diagonal behind l. */
function step(
  z: Float64Array,
  n: number,
  l: number,
  m: number,
  d: Float64Array,
  e: Float64Array,
): number {
  const first = d[l]!
  const ratio = (d[l + 1]! - first) / (2 * e[l]!)
  const root = Math.sqrt(ratio * ratio + 1)
  const sum = ratio < 0 ? ratio - root : ratio + root
  d[l] = e[l]! / sum
  d[l + 1] = e[l]! * sum
  const second = d[l + 1]!
  const shift = first - d[l]!
  for (let i = l + 2; i < n; i++) d[i]! -= shift

  let p = d[m]!
  let [c, c2, c3, s, s2] = [1, 1, 1, 0, 0]
  const edge = e[l + 1]!
  for (let i = m - 1; i >= l; i--) {
    ;[c3, c2, s2] = [c2, c, s]
    const g = c * e[i]!
    const h = c * p
    const r = Math.sqrt(p * p + e[i]! * e[i]!)
    e[i + 1] = s * r
    s = e[i]! / r
    c = p / r
    p = c * d[i]! - s * g
    d[i + 1] = h + s * (c * g + s * d[i]!)
    rotate(z, i * n, n, c, s)
  }
  p = (-s * s2 * c3 * edge * e[l]!) / second
  e[l] = s * p
  d[l] = c * p
  return shift
}

/** Rotates the row that starts at `row` with the next one. */
function rotate(z: Float64Array, row: number, n: number, c: number, s: number): void {
  for (let k = row; k < row + n; k++) {
    const [a, b] = [z[k]!, z[k + n]!]
    z[k + n] = s * a + c * b
    z[k] = c * a - s * b
  }
}
