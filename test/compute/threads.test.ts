import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKernelPool, reservedPages } from '../../src/compute/kernel-pool.ts'
import { kernelsWasm } from '../../src/compute/kernels-wasm.ts'
import type { MaskExports } from '../../src/compute/kernels/mask.ts'
import type { SelectExports } from '../../src/compute/kernels/select.ts'
import { compile, createSharedMemory, instantiate } from '../../src/compute/web-assembly.ts'
import {
  HISTOGRAM_BYTES,
  type Kernels,
  type Matrix,
  PACK_BYTES,
  type Region,
} from '../../src/compute/kernels.ts'
import { kernelSplits } from '../../src/compute/kernels/families.ts'
import { createLease } from '../../src/compute/lease.ts'
import { columnsOf, matrixOf, rowsOf, transposed } from '../../src/compute/matrix/matrix.ts'
import { createProducts } from '../../src/compute/matrix/products.ts'
import { truncatedSvd } from '../../src/compute/matrix/truncated-svd.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { dropThreshold, maskKey } from '../../src/random.ts'
import { weightDTypes } from '../../src/tensors/dtype.ts'
import { sampleFloats, specials } from './sample-floats.ts'

/** Above what every kernel shares, and no multiple of anything. */
const ELEMENTS = 2 ** 20 + 77

const COUNTS = [ELEMENTS, ELEMENTS - 64, 2 ** 20] as const

interface Data {
  readonly kernels: Kernels
  readonly a: Region
  readonly b: Region
  readonly c: Region
  readonly halves: Region
  readonly otherHalves: Region
  readonly bits: Region
  /** Where results go; filled with one pattern before each call. */
  readonly out: Region
  readonly counts: Region
}

type Use = (data: Data, count: number) => unknown

const mask = {
  key: maskKey(7, 'model.layers.0.mlp.up_proj.weight'),
  from: 2 ** 34 - 64,
  threshold: dropThreshold(0.3),
  kept: 1 / 0.7,
  dropped: -0.5,
}
const merge = { weights: [1, 0.5, -0.25], zeroSign: -1, lambda: 0.7 } as const
const tied = 0x3f800000

/** Every use of every kernel that threads share. */
const uses: Readonly<Record<string, Use>> = {
  packSigns: ({ kernels: k, a, out }, n) => k.packSigns(a, out, n),
  unpackSigns: ({ kernels: k, bits, out }, n) => k.unpackSigns(bits, out, n, 0.01),
  packNonzero: ({ kernels: k, a, out }, n) => k.packNonzero(a, out, n),
  clearByBits: ({ kernels: k, bits, out }, n) => k.clearByBits(bits, out, n),
  compact: ({ kernels: k, a, bits, out }, n) => k.compact(a, bits, out, n),
  expand: ({ kernels: k, a, bits, out }, n) => k.expand(a, bits, out, n),
  countBits: ({ kernels: k, bits }, n) => k.countBits(bits, n),
  ...Object.fromEntries(
    weightDTypes.flatMap((dtype): [string, Use][] => [
      [`widen ${dtype}`, ({ kernels: k, halves, out }, n) => k.widen(dtype, halves, out, n)],
      [`narrow ${dtype}`, ({ kernels: k, a, out }, n) => k.narrow(dtype, a, out, n)],
      [
        `difference ${dtype}`,
        ({ kernels: k, halves, otherHalves, out }, n) =>
          k.difference(dtype, halves, otherHalves, out, n),
      ],
      ...weightDTypes.map((to): [string, Use] => [
        `applied ${dtype} to ${to}`,
        ({ kernels: k, halves, a, out }, n) => k.applied(dtype, halves, a, to, out, n),
      ]),
    ]),
  ),
  subtract: ({ kernels: k, a, b, out }, n) => k.subtract(a, b, out, n),
  add: ({ kernels: k, a, b, out }, n) => k.add(a, b, out, n),
  scale: ({ kernels: k, a, out }, n) => k.scale(a, out, n, 0.3),
  addScaled: ({ kernels: k, a, out }, n) => k.addScaled(a, out, n, 0.3),
  'scale in place': ({ kernels: k, out }, n) => k.scale(out, out, n, 0.3),
  'narrow in place': ({ kernels: k, a, out }, n) => {
    k.widen('F32', a, out, n)
    k.narrow('BF16', out, out, n)
  },
  electAndMerge: ({ kernels: k, a, b, c, out }, n) =>
    k.electAndMerge([a, b, c], out, n, { ...merge, weighted: true, normalize: true }),
  maskedScale: ({ kernels: k, a, out }, n) => k.maskedScale(a, out, n, mask),
  scaleByBits: ({ kernels: k, a, bits, out }, n) =>
    k.scaleByBits(a, bits, out, n, { set: 1.5, clear: 0 }),
  keepRanks: ({ kernels: k, a, b, out }, n) => k.keepRanks(a, out, b, n, 0x3f000000, 0x40000000),
  maskBits: ({ kernels: k, out }, n) => k.maskBits(out, n, mask),
  ...Object.fromEntries(
    [0, 1, 1000, 40_000, Infinity].map((ties): [string, Use] => [
      `keepLargest with ${ties} ties`,
      ({ kernels: k, a, out }, n) => k.keepLargest(a, out, n, tied, ties),
    ]),
  ),
  'keepLargest in place': ({ kernels: k, a, out }, n) => {
    k.widen('F32', a, out, n)
    return k.keepLargest(out, out, n, tied, 1000)
  },
  histogramHigh({ kernels: k, a, counts }, n) {
    counts.u32.fill(3)
    k.histogramHigh(a, n, counts)
    return Array.from({ length: 65_536 }, (_, bin) => counts.u32[bin]! + counts.u32[bin + 65_536]!)
  },
  histogramLow({ kernels: k, a, counts }, n) {
    counts.u32.fill(3)
    k.histogramLow(a, n, tied >>> 15, counts)
    return Array.from({ length: 32_768 }, (_, bin) => counts.u32[bin]! + counts.u32[bin + 65_536]!)
  },
  countMagnitude: ({ kernels: k, a }, n) => k.countMagnitude(a, n, tied),
  sumMagnitudes: ({ kernels: k, c }, n) => k.sumMagnitudes(c, n, 0.1),
  sumSquares: ({ kernels: k, c }, n) => k.sumSquares(c, n, 0.1),
  dot: ({ kernels: k, b, c }, n) => k.dot(b, c, n, 0.1),
  firstNonFinite: ({ kernels: k, a }, n) => k.firstNonFinite(a, n),
  'firstNonFinite near the end': ({ kernels: k, b }, n) => {
    const before = b.u32[n - 2]!
    b.f32[n - 2] = NaN
    const found = k.firstNonFinite(b, n)
    b.u32[n - 2] = before
    return found
  },
  firstNonFinite16: ({ kernels: k, a }, n) => k.firstNonFiniteOf('BF16', a, n),
  multiply: (data) => multiplied(data, (left, right) => [left, right]),
  'multiply of turned factors': (data) =>
    multiplied(data, (left, right) => [transposed(left), transposed(right)]),
  'multiply of parts': (data) =>
    multiplied(data, (left, right) => [
      columnsOf(rowsOf(left, 30, 300), 70, 200),
      columnsOf(rowsOf(right, 9, 200), 5, 61),
    ]),
  gram: ({ kernels: k, b, out, counts }) => k.gram(matrixOf(b, 301, 350), out, counts).slice(),
  'gram of columns': ({ kernels: k, b, out, counts }) =>
    k.gram(transposed(matrixOf(b, 1024, 301)), out, counts).slice(),
  rotateRows({ kernels: k, b, c, out }) {
    k.widen('F32', b, out, ELEMENTS)
    k.rotateRows(out, 701, 700, c, 700)
  },
  'firstNonFinite of none': ({ kernels: k, b }, n) => k.firstNonFinite(b, n),
}

describe('kernels on several threads', () => {
  let one: Data
  let several: readonly Data[] = []

  before('start the threads', async () => {
    one = makeData(openKernels())
    several = [2, 3].map((threads) => makeData(openKernels({ threads })))
    for (const data of several) uses['maskedScale']!(data, ELEMENTS)
    await sleep(200)
  })
  after(async () => {
    for (const { kernels } of several) await kernels.close()
  })

  it('are all tried', () => {
    const inBinding: Readonly<Record<string, RegExp>> = {
      copy: /^widen F32/,
      widenBf16: /^widen BF16/,
      widenF16: /^widen F16/,
      narrowBf16: /^narrow BF16/,
      narrowF16: /^narrow F16/,
      blockMagnitudes: /^sumMagnitudes/,
      blockProducts: /^dot/,
    }
    for (const name of kernelSplits.keys()) {
      const pattern = inBinding[name] ?? new RegExp(`^${name}`)
      assert.ok(
        Object.keys(uses).some((use) => pattern.test(use)),
        name,
      )
    }
  })

  it('have room for the panels of a product', () => {
    assert.ok(PACK_BYTES <= HISTOGRAM_BYTES)
  })

  for (const [name, use] of Object.entries(uses)) {
    it(`${name}: gives the bytes of one thread`, () => {
      for (const count of COUNTS) {
        const expected = outcome(one, use, count)
        for (const data of several) assert.deepEqual(outcome(data, use, count), expected)
      }
    })
  }

  it('factor a matrix into the bytes of one thread', async () => {
    const hashes = new Set<string>()
    for (const { kernels, c } of [one, ...several]) {
      const lease = createLease(kernels)
      const products = createProducts(kernels, lease)
      const matrix = matrixOf(c, 1000, 1048)
      const found = await truncatedSvd(products, matrix, { rank: 5, energy: 1 }, lease)
      const hash = createHash('sha256')
      for (const { region, rows, columns } of [found.left, found.right]) {
        hash.update(region.u8.subarray(0, rows * columns * 4))
      }
      hashes.add(hash.digest('hex'))
      await lease.release()
    }
    assert.equal(hashes.size, 1)
  })

  it('sum block after block, however many a call has', () => {
    const [kernels, c] = [one.kernels, one.c]
    let expected = 0
    for (let from = 0; from < ELEMENTS; from += 65_536) {
      const count = Math.min(65_536, ELEMENTS - from)
      expected += kernels.sumMagnitudes(sliceRegion(c, from * 4, count * 4), count)
    }
    assert.equal(kernels.sumMagnitudes(c, ELEMENTS), expected)
    const rest = sliceRegion(c, 3 * 65_536 * 4, (ELEMENTS - 3 * 65_536) * 4)
    const begun = kernels.sumMagnitudes(c, 3 * 65_536)
    assert.equal(kernels.sumMagnitudes(rest, ELEMENTS - 3 * 65_536, begun), expected)
  })

  it('use memory that grew after the threads started', () => {
    for (const { kernels } of several) {
      const size = 64 * 2 ** 20
      const [x, out] = [kernels.allocate(size), kernels.allocate(size)]
      x.u32.fill(0x12345678)
      for (let i = 0; i < 4; i++) kernels.widen('F32', x, out, size / 4)
      assert.equal(Buffer.compare(out.u8, x.u8), 0)
      for (const region of [x, out]) kernels.release(region)
    }
  })

  it('hash a mask the same for any sharding, order of tensors and number of threads', () => {
    const names = ['a.weight', 'b.weight', 'c.weight']
    const hashes = new Set<string>()
    for (const { kernels, out } of [one, ...several]) {
      for (const shards of [1, 2, 7]) {
        for (const order of [names, names.toReversed()]) {
          const found = new Map(order.map((name) => [name, maskHash(kernels, out, name, shards)]))
          hashes.add(names.map((name) => found.get(name)).join())
        }
      }
    }
    assert.equal(hashes.size, 1)
    const [other, another] = [...hashes][0]!.split(',')
    assert.notEqual(other, another)
  })

  it('share a call', async () => {
    const memory = createSharedMemory(reservedPages(2) + 64, 128)
    const module = compile(Buffer.from(kernelsWasm, 'base64'))
    const exports = instantiate(module, memory, 0) as MaskExports
    const [pointer, count, threshold] = [reservedPages(2) * 65_536, 2 ** 20 - 64, 2 ** 31]
    const bits = new Uint8Array(memory.buffer, pointer, count / 8)
    exports.maskBits(pointer, count, 5, 0, 1, 2, threshold)
    const expected = bits.slice()
    let own = 0
    const counting: Pick<MaskExports, 'maskBits'> = {
      maskBits(...args) {
        own += args[1]
        exports.maskBits(...args)
      },
    }
    const pool = createKernelPool(
      { module, memory, exports: counting },
      { threads: 2, minimumWork: 0 },
    )
    try {
      do {
        own = 0
        bits.fill(0)
        pool.exports.maskBits(pointer, count, 5, 0, 1, 2, threshold)
        assert.equal(Buffer.compare(bits, expected), 0)
        await sleep(1)
      } while (own === count) // until the other thread has done some
    } finally {
      await pool.close()
    }
  })

  it('count anew after a call that failed in another thread', async () => {
    const memory = createSharedMemory(reservedPages(2) + 64, 128)
    const module = compile(Buffer.from(kernelsWasm, 'base64'))
    const exports = instantiate(module, memory, 0) as SelectExports
    const table = reservedPages(2) * 65_536
    const x = table + HISTOGRAM_BYTES
    const count = (memory.buffer.byteLength - x) / 4
    const bins = new Uint32Array(memory.buffer, table, 2 ** 17)
    const counted = () => bins.reduce((sum, each) => sum + each, 0)
    let own: typeof exports.histogramHigh = exports.histogramHigh
    const given = { histogramHigh: (...args: Parameters<typeof own>) => own(...args) }
    const pool = createKernelPool(
      { module, memory, exports: { ...exports, ...given } },
      {
        threads: 2,
        minimumWork: 0,
      },
    )
    try {
      // The caller leaves its pieces to the other thread, until that reads beyond the memory.
      own = () => void Atomics.wait(new Int32Array(memory.buffer, x, 1), 0, 0, 1)
      const failure = { name: 'EnvironmentError', id: 'E_KERNEL' }
      for (let failed = false; !failed;) {
        try {
          pool.exports.histogramHigh(x, 2 * count, table)
        } catch (error) {
          failed = true
          assert.throws(() => {
            throw error
          }, failure)
        }
        await sleep(1)
      }
      own = exports.histogramHigh
      bins.fill(0)
      for (let i = 1; i <= 20; i++) {
        pool.exports.histogramHigh(x, count, table)
        assert.equal(counted(), i * count)
        await sleep(1)
      }
    } finally {
      await pool.close()
    }
  })

  it('go on alone when another thread cannot start', async () => {
    const memory = createSharedMemory(reservedPages(2) + 64, 128)
    const module = compile(Buffer.from(kernelsWasm, 'base64'))
    const exports = instantiate(module, memory, 0) as MaskExports
    const pool = createKernelPool({ module: {}, memory, exports }, { threads: 2, minimumWork: 0 })
    const [pointer, count] = [reservedPages(2) * 65_536, 2 ** 20]
    const bits = new Uint8Array(memory.buffer, pointer, count / 8)
    exports.maskBits(pointer, count, 0, 0, 1, 2, 2 ** 31)
    const expected = bits.slice()
    for (let i = 0; i < 3; i++) {
      bits.fill(0)
      pool.exports.maskBits(pointer, count, 0, 0, 1, 2, 2 ** 31)
      assert.equal(Buffer.compare(bits, expected), 0)
      await sleep(100)
    }
    await pool.close()
  })

  it('go on alone after close', async () => {
    const data = makeData(openKernels({ threads: 2 }))
    const use = uses['maskedScale']!
    const expected = outcome(data, use, ELEMENTS)
    await data.kernels.close()
    await data.kernels.close()
    assert.deepEqual(outcome(data, use, ELEMENTS), expected)
  })

  it('let the process end, with and without a close', () => {
    const file = new URL('../../src/compute/open-kernels.ts', import.meta.url).href
    const script = `
      const { openKernels } = await import(${JSON.stringify(file)})
      const kernels = openKernels({ threads: 2 })
      const [x, out] = [kernels.allocate(2 ** 23), kernels.allocate(2 ** 23)]
      for (let i = 0; i < 20; i++) kernels.scale(x, out, 2 ** 21, 2)
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (process.argv[1] === 'close') await kernels.close()
      console.log('done')`
    for (const how of ['close', 'leave']) {
      const args = ['--input-type=module', '-e', script, how]
      const said = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 15_000 })
      assert.equal(said, 'done\n')
    }
  })

  it('refuses a number of threads that is none', () => {
    for (const threads of [0, 1.5, -1, NaN]) {
      assert.throws(() => openKernels({ threads }), { id: 'E_PARAMETER_RANGE' })
    }
  })
})

/** The product of two parts of the data, with what stays of it in rows of its own length. */
function multiplied(
  { kernels, b, c, out, counts }: Data,
  choose: (left: Matrix, right: Matrix) => readonly [Matrix, Matrix],
): void {
  const [left, right] = choose(matrixOf(b, 400, 300), matrixOf(c, 300, 400))
  kernels.multiply(left, right, matrixOf(out, left.rows, right.columns), counts)
}

function makeData(kernels: Kernels): Data {
  const floats = (name: string, sprinkle?: readonly number[]): Region => {
    const pattern = sampleFloats(name, 4099, sprinkle)
    const region = kernels.allocate(ELEMENTS * 4)
    for (let at = 0; at < ELEMENTS; at += pattern.length) {
      region.f32.set(pattern.subarray(0, ELEMENTS - at), at)
    }
    return region
  }
  const [a, b, c] = [floats('a', specials), floats('b'), floats('c', [])]
  const bits = kernels.allocate(Math.ceil(ELEMENTS / 8))
  kernels.maskBits(bits, ELEMENTS, mask)
  return {
    kernels,
    a,
    b,
    c,
    halves: floats('halves', specials),
    otherHalves: floats('other halves'),
    bits,
    out: kernels.allocate(ELEMENTS * 4),
    counts: kernels.allocate(HISTOGRAM_BYTES),
  }
}

/** What a call returned, and a hash of all that it could have written to. */
function outcome(data: Data, use: Use, count: number): unknown {
  data.out.u8.fill(0xa5)
  const result = use(data, count)
  return [result, createHash('sha256').update(data.out.u8).digest('hex')]
}

function maskHash(kernels: Kernels, out: Region, name: string, shards: number): string {
  const hash = createHash('sha256')
  const key = maskKey(3, name)
  const size = Math.ceil(ELEMENTS / shards / 64) * 64
  for (let from = 0; from < ELEMENTS; from += size) {
    const count = Math.min(size, ELEMENTS - from)
    out.u8.fill(0)
    kernels.maskBits(out, count, { key, from, threshold: dropThreshold(0.9) })
    hash.update(out.u8.subarray(0, Math.ceil(count / 8)))
  }
  return hash.digest('hex')
}
