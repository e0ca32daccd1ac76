import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { performance } from 'node:perf_hooks'
import type { Kernels, Matrix } from '../../src/compute/kernels.ts'
import { createLease } from '../../src/compute/lease.ts'
import { matrixOf } from '../../src/compute/matrix/matrix.ts'
import { createProducts, type MatrixProducts } from '../../src/compute/matrix/products.ts'
import { truncatedSvd } from '../../src/compute/matrix/truncated-svd.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { measure } from './child.ts'
import { type Bench, type BenchOptions, type Figure, memoryFigure, speedFigure } from './figure.ts'
import type { SvdRun } from './svd-process.ts'

/**
 * The truncated singular value decomposition of matrices that look like a fine-tune's, against numpy's
 * full one of LAPACK on one thread, our own on two threads against one, and the memory of a low-rank
 * edit.
 */

const RANK = 64

const SHAPES = [
  { rows: 1024, columns: 4096, atLeast: 10 },
  { rows: 2048, columns: 2048, atLeast: 40 },
] as const

/** Of the largest matrix of the edited model, 4096 × 4096 in f32. */
const SIDE = 4096
const MATRIX_MB = (SIDE * SIDE * 4) / 1e6

export async function run({ quick }: BenchOptions): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-bench-'))
  try {
    const without = withoutNumpy()
    const shapes = quick ? [{ rows: 256, columns: 512, atLeast: 0 }] : SHAPES
    const figures: Figure[] = []
    for (const shape of without === undefined ? shapes : []) {
      figures.push(...(await compare(join(folder, 'matrix'), shape, quick ? 2 : 5)))
    }
    for (const shape of shapes) figures.push(await shareWork(shape, quick ? 2 : 9))
    const side = quick ? 512 : SIDE
    const { peakRssMb } = await measure<SvdRun>('svd-process.ts', [folder, String(side)])
    const what = `peak RSS, rank ${RANK} of a ${side} × ${side} matrix`
    figures.push(memoryFigure(what, [peakRssMb], quick ? undefined : 200 + 6 * MATRIX_MB))
    return {
      note:
        `Rank ${RANK} of matrices with 256 singular values that fall like i^-0.7 and as much noise. ` +
        'The baseline is numpy.linalg.svd in f32 with OPENBLAS_NUM_THREADS=1; ours runs on one ' +
        'thread too, and where two are named the baseline is our one. The error is ‖Δ − left · right‖ beyond the least that any matrix of that rank ' +
        'has, as a share of it.' +
        (without === undefined ? '' : ` The comparison is left out: ${without}.`),
      figures,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Timed {
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Why there is no baseline, if there is none. */
function withoutNumpy(): string | undefined {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'python3 cannot import numpy here (apt-get install python3-numpy)'
  }
}

async function compare(
  file: string,
  { rows, columns, atLeast }: { rows: number; columns: number; atLeast: number },
  samples: number,
): Promise<Figure[]> {
  const kernels = openKernels()
  const lease = createLease(kernels)
  const products = createProducts(kernels, lease)
  const matrix = await fineTuneLike(products, lease.take(rows * columns * 4), rows, columns)
  await writeFile(file, matrix.region.u8.subarray(0, rows * columns * 4))
  const numpy = startNumpy(file, rows, columns)
  const [own, baseline]: [Timed[], Timed[]] = [[], []]
  let [least, error] = [0, 0]
  await decompose(products, matrix)
  for (let i = 0; i < samples; i++) {
    const full = await numpy.next()
    baseline.push(full)
    least = full.least
    const truncated = await decompose(products, matrix)
    own.push(truncated)
    error = truncated.error
  }
  await numpy.close()
  await lease.release()
  const name = `rank ${RANK} of ${rows} × ${columns}`
  const excess = 100 * (error / least - 1)
  return [
    timedFigure(name, own, baseline, atLeast),
    {
      what: `${name}, error beyond the least`,
      value: excess,
      unit: '%',
      target: { is: 'at most', value: 1 },
      samples: [error],
      baselineSamples: [least],
      sampleUnit: '‖·‖',
    },
  ]
}

/** Two threads against one, in turns. */
async function shareWork(
  { rows, columns }: { rows: number; columns: number },
  samples: number,
): Promise<Figure> {
  const runs: Timed[][] = [[], []]
  const uses = []
  for (const threads of [1, 2]) {
    const kernels = openKernels({ threads })
    const lease = createLease(kernels)
    const products = createProducts(kernels, lease)
    const matrix = await fineTuneLike(products, lease.take(rows * columns * 4), rows, columns)
    await decompose(products, matrix)
    uses.push({ kernels, lease, run: () => decompose(products, matrix) })
  }
  for (let i = 0; i < samples; i++) {
    for (const [at, { run }] of uses.entries()) runs[at]!.push(await run())
  }
  for (const { kernels, lease } of uses) {
    await lease.release()
    await kernels.close()
  }
  const [one, two] = runs
  return timedFigure(`rank ${RANK} of ${rows} × ${columns}, 2 threads`, two!, one!)
}

function timedFigure(
  what: string,
  own: readonly Timed[],
  baseline: readonly Timed[],
  atLeast?: number,
): Figure {
  return {
    ...speedFigure(what, secondsOf(own), secondsOf(baseline), atLeast),
    cpuSeconds: own.map((one) => one.cpuSeconds),
    baselineCpuSeconds: baseline.map((one) => one.cpuSeconds),
  }
}

function secondsOf(runs: readonly Timed[]): number[] {
  return runs.map(({ seconds }) => seconds)
}

/** Seconds of one decomposition, and how far its product is from the matrix. */
async function decompose(
  products: MatrixProducts,
  matrix: Matrix,
): Promise<Timed & { readonly error: number }> {
  const { kernels } = products
  const { rows, columns } = matrix
  const lease = createLease(kernels)
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const factors = await truncatedSvd(products, matrix, { rank: RANK, energy: 1 }, lease)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const product = matrixOf(lease.take(rows * columns * 4), rows, columns)
  await products.multiply(factors.left, factors.right, product)
  kernels.subtract(product.region, matrix.region, product.region, rows * columns)
  const error = normOf(kernels, product)
  await lease.release()
  return { seconds, cpuSeconds: (user + system) / 1e6, error }
}

function normOf(kernels: Kernels, { region, rows, columns }: Matrix): number {
  return Math.sqrt(kernels.sumSquares(region, rows * columns))
}

/** A sum of 256 random directions that fall like i^-0.7, and noise of the same norm. */
async function fineTuneLike(
  products: MatrixProducts,
  region: Matrix['region'],
  rows: number,
  columns: number,
): Promise<Matrix> {
  const { kernels } = products
  const lease = createLease(kernels)
  const inner = 256
  const [left, right] = [
    matrixOf(lease.take(rows * inner * 4), rows, inner),
    matrixOf(lease.take(inner * columns * 4), inner, columns),
  ]
  const [matrix, noise] = [
    matrixOf(region, rows, columns),
    matrixOf(lease.take(rows * columns * 4), rows, columns),
  ]
  fill(left, (_, i) => (i + 1) ** -0.7)
  fill(right, () => 1)
  fill(noise, () => 1)
  await products.multiply(left, right, matrix)
  const share = normOf(kernels, matrix) / normOf(kernels, noise)
  kernels.addScaled(noise.region, region, rows * columns, share)
  kernels.scale(region, region, rows * columns, 1e-3)
  await lease.release()
  return matrix
}

/** Sums of four uniforms, as good as normal here, times what `scale` gives. */
function fill({ region, rows, columns }: Matrix, scale: (i: number, j: number) => number): void {
  let state = createRandom('svd bench', rows, columns).word() | 1
  const uniform = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const sum = uniform() + uniform() + uniform() + uniform() - 2
      region.f32[i * columns + j] = sum * scale(i, j)
    }
  }
}

/** One decomposition per line that it reads. */
const SCRIPT = `
import sys, json, time, numpy
file, rows, columns, rank = sys.argv[1], *map(int, sys.argv[2:])
matrix = numpy.fromfile(file, '<f4').reshape(rows, columns)
for line in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    _, values, _ = numpy.linalg.svd(matrix, full_matrices=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    least = float(numpy.sqrt((values[rank:].astype('f8') ** 2).sum()))
    print(json.dumps({'seconds': seconds, 'cpuSeconds': cpu, 'least': least}), flush=True)
`

function startNumpy(file: string, rows: number, columns: number) {
  const args = ['-c', SCRIPT, file, ...[rows, columns, RANK].map(String)]
  const env = { ...process.env, OPENBLAS_NUM_THREADS: '1' }
  const child: ChildProcess = spawn('python3', args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
  return {
    async next() {
      child.stdin!.write('\n')
      const { value } = await lines.next()
      return JSON.parse(String(value)) as Timed & { readonly least: number }
    },
    async close() {
      child.stdin!.end()
      await once(child, 'exit')
    },
  }
}
