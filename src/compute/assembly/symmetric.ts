/**
 * Steps of the eigenvalue problem of a symmetric matrix in f64, whose rows lie `stride` bytes
 * apart. Sums run in four lanes, each over every fourth element, which are added at the end.
 */

/** out = the product of a matrix with `x`. It is symmetric: of row i only i … size − 1 are read. */
export function multiplySymmetric(z: usize, stride: u32, size: u32, x: usize, out: usize): void {
  memory.fill(out, 0, size << 3)
  for (let i: u32 = 0; i < size; i++, z += stride + 8, x += 8, out += 8) {
    const own = load<f64>(x)
    const sum = load<f64>(out) + load<f64>(z) * own
    store<f64>(out, sum + dotAndAdd(z + 8, x + 8, out + 8, own, size - 1 - i))
  }
}

/** row · x; out += own · row */
function dotAndAdd(row: usize, x: usize, out: usize, own: f64, count: u32): f64 {
  const factor = f64x2.splat(own)
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  const end = row + (count << 3)
  for (; row + 32 <= end; row += 32, x += 32, out += 32) {
    const r0 = v128.load(row)
    const r1 = v128.load(row, 16)
    even = f64x2.add(even, f64x2.mul(r0, v128.load(x)))
    odd = f64x2.add(odd, f64x2.mul(r1, v128.load(x, 16)))
    v128.store(out, f64x2.add(v128.load(out), f64x2.mul(r0, factor)))
    v128.store(out, f64x2.add(v128.load(out, 16), f64x2.mul(r1, factor)), 16)
  }
  let sum = sumOf(even, odd)
  for (; row < end; row += 8, x += 8, out += 8) {
    sum += load<f64>(row) * load<f64>(x)
    store<f64>(out, load<f64>(out) + load<f64>(row) * own)
  }
  return sum
}

/** Subtracts x · yᵀ + y · xᵀ from what `multiplySymmetric` reads of a matrix. */
export function subtractPair(z: usize, stride: u32, size: u32, x: usize, y: usize): void {
  for (; size > 0; size--, z += stride + 8, x += 8, y += 8) {
    const ownX = load<f64>(x)
    const ownY = load<f64>(y)
    const xs = f64x2.splat(ownX)
    const ys = f64x2.splat(ownY)
    let k: usize = 0
    const end: usize = size << 3
    for (; k + 16 <= end; k += 16) {
      const pair = f64x2.add(f64x2.mul(xs, v128.load(y + k)), f64x2.mul(ys, v128.load(x + k)))
      v128.store(z + k, f64x2.sub(v128.load(z + k), pair))
    }
    if (k < end) {
      const pair = ownX * load<f64>(y + k) + ownY * load<f64>(x + k)
      store<f64>(z + k, load<f64>(z + k) - pair)
    }
  }
}

/** Subtracts (row · x) y from each of `rows` rows of `count` elements. */
export function reflectRows(
  z: usize,
  stride: u32,
  rows: u32,
  count: u32,
  x: usize,
  y: usize,
): void {
  const whole: usize = (count & ~3) << 3
  const end: usize = count << 3
  for (; rows > 0; rows--, z += stride) {
    let even = f64x2.splat(0)
    let odd = f64x2.splat(0)
    let k: usize = 0
    for (; k < whole; k += 32) {
      even = f64x2.add(even, f64x2.mul(v128.load(z + k), v128.load(x + k)))
      odd = f64x2.add(odd, f64x2.mul(v128.load(z + k, 16), v128.load(x + k, 16)))
    }
    let sum = sumOf(even, odd)
    for (; k < end; k += 8) sum += load<f64>(z + k) * load<f64>(x + k)
    const factor = f64x2.splat(sum)
    for (k = 0; k < whole; k += 16) {
      v128.store(z + k, f64x2.sub(v128.load(z + k), f64x2.mul(factor, v128.load(y + k))))
    }
    for (; k < end; k += 8) store<f64>(z + k, load<f64>(z + k) - sum * load<f64>(y + k))
  }
}

function sumOf(even: v128, odd: v128): f64 {
  const sums = f64x2.add(even, odd)
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
}

/**
 * Rotates row r with row r − 1 by the first cosine and sine, r − 1 with r − 2 by the next, and so
 * on up the `columns` of `rotations` + 1 rows, of which `z` is the last: (a, b) becomes (c·a − s·b,
 * s·a + c·b).
 */
export function rotateRows(
  z: usize,
  stride: u32,
  columns: u32,
  angles: usize,
  rotations: u32,
): void {
  // Eight columns are a line of the cache.
  for (; columns >= 8; columns -= 8, z += 64) rotateLine(z, stride, angles, rotations)
  for (; columns > 0; columns--, z += 8) {
    let row = z
    let carried = load<f64>(row)
    for (let r: u32 = 0; r < rotations; r++, row -= stride) {
      const cosine = load<f64>(angles + (r << 4))
      const sine = load<f64>(angles + (r << 4), 8)
      const above = load<f64>(row - stride)
      store<f64>(row, sine * above + cosine * carried)
      carried = cosine * above - sine * carried
    }
    store<f64>(row, carried)
  }
}

function rotateLine(z: usize, stride: u32, angles: usize, rotations: u32): void {
  let c0 = v128.load(z)
  let c1 = v128.load(z, 16)
  let c2 = v128.load(z, 32)
  let c3 = v128.load(z, 48)
  const end = angles + (rotations << 4)
  for (; angles < end; angles += 16) {
    const cosine = v128.load64_splat(angles)
    const sine = v128.load64_splat(angles, 8)
    const above = z - stride
    const a0 = v128.load(above)
    v128.store(z, f64x2.add(f64x2.mul(sine, a0), f64x2.mul(cosine, c0)))
    c0 = f64x2.sub(f64x2.mul(cosine, a0), f64x2.mul(sine, c0))
    const a1 = v128.load(above, 16)
    v128.store(z, f64x2.add(f64x2.mul(sine, a1), f64x2.mul(cosine, c1)), 16)
    c1 = f64x2.sub(f64x2.mul(cosine, a1), f64x2.mul(sine, c1))
    const a2 = v128.load(above, 32)
    v128.store(z, f64x2.add(f64x2.mul(sine, a2), f64x2.mul(cosine, c2)), 32)
    c2 = f64x2.sub(f64x2.mul(cosine, a2), f64x2.mul(sine, c2))
    const a3 = v128.load(above, 48)
    v128.store(z, f64x2.add(f64x2.mul(sine, a3), f64x2.mul(cosine, c3)), 48)
    c3 = f64x2.sub(f64x2.mul(cosine, a3), f64x2.mul(sine, c3))
    z = above
  }
  v128.store(z, c0)
  v128.store(z, c1, 16)
  v128.store(z, c2, 32)
  v128.store(z, c3, 48)
}
