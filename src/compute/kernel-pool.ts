import { extname } from 'node:path'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import {
  createBoardMemory,
  DONE,
  doPieces,
  FAILED,
  kernelNumbers,
  type KernelThread,
  LEFT,
  MAXIMUM_PIECES,
  movesOf,
  SIGNAL,
  viewBoard,
} from './kernel-call.ts'
import { kernelSplits } from './kernel-splits.ts'
import type { KernelWorkerInit } from './kernel-worker.ts'
import { HISTOGRAM_BYTES } from './kernels/select.ts'
import { BIT, type Move, type Split } from './kernels/split.ts'
import { PAGE_BYTES, type SharedMemory } from './web-assembly.ts'

/**
 * Calls that take no longer than a copy of so many floats stay on one thread: that is 100 to 200
 * microseconds, and another thread takes some tens to wake.
 */
const MINIMUM_WORK = 2 ** 20

/** Pieces are multiples of so many elements: no two share a cache line, even of a bitmap. */
const GRAIN = 4096

/** How often the caller looks whether the others are done before it sleeps: about a piece's time. */
const SPINS = 10_000

const COUNTERS = HISTOGRAM_BYTES / 4

/** What each further thread needs of the memory's beginning: a page, and counters of its own. */
const THREAD_BYTES = PAGE_BYTES + HISTOGRAM_BYTES

/** Pages before the first region. */
export function reservedPages(threads: number): number {
  return 1 + ((threads - 1) * THREAD_BYTES) / PAGE_BYTES
}

export interface KernelPool<Exports> {
  /** The exports of the calling thread, whose long calls all threads share. */
  readonly exports: Exports
  /** Ends the other threads; calls after it stay on one. */
  close(): Promise<void>
}

type Call = (...args: readonly number[]) => number | undefined

/**
 * Shares calls of `exports` among `threads` threads, the caller's among them. The others start with
 * the first call that is long enough, do not keep the process alive, and sleep between calls. A call
 * ends when all its pieces are done; it does not wait for a thread that has not begun one.
 */
export function createKernelPool<Exports extends object>(
  { module, memory, exports }: { module: object; memory: SharedMemory; exports: Exports },
  threads: number,
): KernelPool<Exports> {
  const boardMemory = createBoardMemory()
  const board = viewBoard(boardMemory)
  const { words, call, args: places, results, ones } = board
  const own: KernelThread = { exports: exports as unknown as KernelThread['exports'] }
  const counters = Array.from(
    { length: threads - 1 },
    (_, i) => PAGE_BYTES + i * THREAD_BYTES + PAGE_BYTES,
  )
  let workers: readonly Worker[] | undefined

  function start(): readonly Worker[] {
    const extension = extname(import.meta.url) // .ts in the repository, .js in the package
    const file = new URL(`./kernel-worker${extension}`, import.meta.url)
    try {
      return counters.map((pointer) => {
        const workerData: KernelWorkerInit = {
          module,
          memory,
          board: boardMemory,
          page: pointer - PAGE_BYTES,
          counters: pointer,
        }
        const worker = new Worker(file, { workerData, execArgv: [], env: SHARE_ENV })
        // Without it the others do all the pieces.
        worker.on('error', () => undefined)
        worker.unref()
        return worker
      })
    } catch {
      return []
    }
  }

  function share(name: string, split: Split, args: readonly number[]): number | undefined {
    const original = own.exports[name]!
    const moves = movesOf(split, args)
    const count = args[moves.indexOf('count')]!
    if (count * (split.work ?? 1) < MINIMUM_WORK || clashes(moves, args, count))
      return original(...args)
    workers ??= start()
    if (workers.length === 0) return original(...args)

    const grain = split.grain ?? GRAIN
    const size = Math.ceil(count / MAXIMUM_PIECES / grain) * grain
    const pieces = Math.ceil(count / size)
    call.set([kernelNumbers.get(name)!, count, size, pieces])
    places.set(args)
    if (moves.includes('ones')) {
      const bits = args[moves.indexOf(BIT)]!
      for (let i = 1; i < pieces; i++) {
        const before = own.exports['countBits']!(bits + (i - 1) * size * BIT, size)!
        ones[i] = ones[i - 1]! + before
      }
    }
    doTogether(pieces)

    const table = moves.indexOf('counters')
    if (table >= 0) {
      for (const pointer of counters) own.exports['moveCounts']!(pointer, args[table]!, COUNTERS)
    }
    const result = resultOf(split, results.subarray(0, pieces), size)
    const exceeded = split.limit !== undefined && result! > args[split.limit]!
    return exceeded ? original(...args) : result
  }

  function doTogether(pieces: number): void {
    Atomics.store(words, DONE, 0)
    Atomics.store(words, LEFT, pieces)
    Atomics.add(words, SIGNAL, 1)
    Atomics.notify(words, SIGNAL)
    const failure = doPieces(board, own)
    for (let i = 0; i < SPINS && Atomics.load(words, DONE) < pieces; i++);
    for (let done = Atomics.load(words, DONE); done < pieces; done = Atomics.load(words, DONE)) {
      Atomics.wait(words, DONE, done)
    }
    if (Atomics.exchange(words, FAILED, 0) === 1) {
      throw failure ?? new Error('a kernel failed in another thread')
    }
  }

  const shared = [...kernelSplits].map(([name, split]): [string, Call] => [
    name,
    (...args) => share(name, split, args),
  ])
  return {
    exports: { ...exports, ...Object.fromEntries(shared) },
    async close() {
      const open = workers ?? []
      workers = []
      await Promise.all(open.map((worker) => worker.terminate()))
    },
  }
}

/**
 * Whether pieces would meet in memory: two arguments point into the same bytes without walking over
 * them in step.
 */
function clashes(moves: readonly Move[], args: readonly number[], count: number): boolean {
  const spans = moves.flatMap((move, i) => {
    const step = move === 'ones' ? 4 : move
    return typeof step === 'number' && step > 0
      ? [{ step, start: args[i]!, end: args[i]! + Math.ceil(step * count) }]
      : []
  })
  return spans.some((a, i) =>
    spans.some(
      (b, j) =>
        i < j &&
        a.start < b.end &&
        b.start < a.end &&
        (a.start !== b.start || a.step !== b.step || moves.includes('ones')),
    ),
  )
}

function resultOf(split: Split, results: Float64Array, size: number): number | undefined {
  if (split.result === 'sum') return results.reduce((sum, result) => sum + result, 0)
  if (split.result === undefined) return undefined
  const piece = results.findIndex((result) => result >= 0)
  return piece < 0 ? -1 : piece * size + results[piece]!
}
