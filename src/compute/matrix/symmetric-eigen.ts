import { allocateBuffers } from '../buffers.ts'
import { doublesOf } from '../doubles-of.ts'
import { giveWay } from '../give-way.ts'
import type { Kernels, Region } from '../kernels.ts'

/** Bytes that `symmetricEigen` takes of the kernels' memory besides the matrix. */
export function eigenBytes(size: number): number {
  return 4 * size * 8
}

/**
 * Elements of the matrix that are worked on between two looks at the event loop: some milliseconds.
 */
const TURN = 2 ** 22

/**
 * Eigenvalues and vectors of a symmetric matrix of `size` rows in f64, in place: afterwards row i
 * of `matrix` holds the unit vector of value i; the values are in no order. Householder's
 * tridiagonal form and the implicit QL method (Wilkinson and Reinsch, Handbook for Automatic
 * Computation II, tred2 and tql2), with an error of some 10⁻¹⁵ of the largest value. Only + − × ÷ √
 * in a fixed order: the same bits on every machine. Takes time like size³, gives way to other work
 * of the process every few milliseconds, and throws the signal's reason then.
 */
export async function symmetricEigen(
  kernels: Kernels,
  matrix: Region,
  size: number,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Float64Array> {
  if (size === 0) return new Float64Array()
  using room = allocateBuffers(kernels, [size * 8, size * 8, size * 16])
  const [diagonal, beside, angles] = room.regions
  const problem = { kernels, z: matrix, n: size, diagonal, beside, angles, turn: turnOf(signal) }
  await tridiagonalise(problem)
  await accumulate(problem)
  await diagonalise(problem)
  return doublesOf(diagonal).slice(0, size)
}

interface Problem {
  readonly kernels: Kernels
  readonly z: Region
  readonly n: number
  /** The tridiagonal form: its diagonal, and at i what is between i − 1 and i. */
  readonly diagonal: Region
  readonly beside: Region
  /** Pairs of a cosine and a sine. */
  readonly angles: Region
  /** To be called after work on so many elements. */
  readonly turn: (elements: number) => Promise<void> | undefined
}

function turnOf(signal: AbortSignal | undefined): Problem['turn'] {
  let done = 0
  return (elements) => {
    done += elements
    if (done < TURN) return undefined
    done = 0
    return giveWay(signal)
  }
}

/** Element (k, j) of the handbook's z lies at j, k. Leaves the reflections' vectors in the rows. */
async function tridiagonalise({ kernels, z: region, n, diagonal, beside, turn }: Problem) {
  const [z, d, e] = [region, diagonal, beside].map(doublesOf) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
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

    // The reflection along d, whose length² is 2h, is applied from both sides.
    z.set(d.subarray(0, i), i * n)
    kernels.multiplySymmetric(region, n, i, diagonal, beside)
    let sum = 0
    for (let j = 0; j < i; j++) {
      e[j]! /= h
      sum += e[j]! * d[j]!
    }
    const half = sum / (h + h)
    for (let j = 0; j < i; j++) e[j]! -= half * d[j]!
    kernels.subtractPair(region, n, i, diagonal, beside)
    for (let j = 0; j < i; j++) {
      d[j] = z[j * n + i - 1]!
      z[j * n + i] = 0
    }
    d[i] = h
    await turn(i * i)
  }
  e[0] = 0
}

/** Multiplies the stored reflections into the rows of z; leaves the diagonal in `diagonal`. */
async function accumulate({ kernels, z: region, n, diagonal, turn }: Problem) {
  const [z, d] = [doublesOf(region), doublesOf(diagonal)]
  for (let i = 0; i < n - 1; i++) {
    const next = (i + 1) * n
    z[i * n + n - 1] = z[i * n + i]!
    z[i * n + i] = 1
    const h = d[i + 1]!
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = z[next + k]! / h
      kernels.reflectRows(region, n, i + 1, diagonal)
    }
    z.fill(0, next, next + i + 1)
    await turn(2 * i * i)
  }
  for (let j = 0; j < n; j++) {
    d[j] = z[j * n + n - 1]!
    z[j * n + n - 1] = 0
  }
  z[n * n - 1] = 1
}

/** The QL method: the diagonal becomes the eigenvalues, the rows of z their vectors. */
async function diagonalise(problem: Problem) {
  const { n, diagonal, beside, turn } = problem
  const [d, e] = [doublesOf(diagonal), doublesOf(beside)]
  e.copyWithin(0, 1)
  e[n - 1] = 0
  let shift = 0
  let largest = 0
  for (let l = 0; l < n; l++) {
    largest = Math.max(largest, Math.abs(d[l]!) + Math.abs(e[l]!))
    const negligible = Number.EPSILON * largest
    let m = l
    while (m < n - 1 && Math.abs(e[m]!) > negligible) m++
    if (m > l) {
      while (Math.abs(e[l]!) > negligible) {
        shift += step(problem, l, m)
        await turn(2 * n * (m - l))
      }
    }
    d[l]! += shift
    e[l] = 0
  }
}

/** One implicit step on rows l … m; gives what it has subtracted from the diagonal behind l. */
function step({ kernels, z, n, diagonal, beside, angles }: Problem, l: number, m: number): number {
  const [d, e, turns] = [diagonal, beside, angles].map(doublesOf) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
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
    turns[2 * (m - 1 - i)] = c
    turns[2 * (m - 1 - i) + 1] = s
  }
  kernels.rotateRows(z, n, m, angles, m - l)
  p = (-s * s2 * c3 * edge * e[l]!) / second
  e[l] = s * p
  d[l] = c * p
  return shift
}
