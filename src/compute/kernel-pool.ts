import { extname } from 'node:path'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { EnvironmentError } from '../errors.ts'
import {
  createBoardMemory,
  DONE,
  FAILED,
  HELPED,
  LEFT,
  MAXIMUM_PIECES,
  SIGNAL,
  viewBoard,
} from './call-board.ts'
import { doPieces, kernelNumbers, type KernelThread, movesOf, workOf } from './kernel-call.ts'
import type { KernelWorkerInit } from './kernel-worker.ts'
import { kernelSplits } from './kernels/families.ts'
import { HISTOGRAM_BYTES } from './kernels/select.ts'
import { BIT, type Move, type Split } from './kernels/split.ts'
import { PAGE_BYTES, type SharedMemory } from './web-assembly.ts'

/** A copy of so many floats takes about 100 microseconds, and another thread some tens to wake. */
export const MINIMUM_WORK = 2 ** 20

/** Pieces are multiples of so many elements: no two share a cache line, even of a bitmap. */
const GRAIN = 4096

/** How often the caller looks whether the others are done before it sleeps: about a piece's time. */
const SPINS = 10_000

/** What each further thread has of the memory's beginning: a page, then counters. */
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

export interface PoolInit {
  /** The caller's among them. */
  readonly threads: number
  /** Calls that take no longer than a copy of so many floats stay on one thread. */
  readonly minimumWork: number
}

/**
 * Shares calls of `exports` among the threads. The others start with
 * the first call that is long enough, do not keep the process alive, and sleep between calls. A call
 * ends when all its pieces are done; it does not wait for a thread that has taken none, so one that
 * cannot start costs nothing.
 */
export function createKernelPool<Exports extends object>(
  { module, memory, exports }: { module: object; memory: SharedMemory; exports: Exports },
  { threads, minimumWork }: PoolInit,
): KernelPool<Exports> {
  const boardMemory = createBoardMemory()
  const board = viewBoard(boardMemory)
  const own: KernelThread = { number: 0, exports: exports as unknown as KernelThread['exports'] }
  const others = Array.from({ length: threads - 1 }, (_, i): KernelWorkerInit => {
    const page = PAGE_BYTES + i * THREAD_BYTES
    const counters = page + PAGE_BYTES
    return { module, memory, board: boardMemory, number: i + 1, page, counters }
  })
  let workers: readonly Worker[] | undefined

  function share(name: string, split: Split, args: readonly number[]): number | undefined {
    const alone = own.exports[name]!
    const moves = movesOf(split, args)
    const count = args[moves.indexOf('count')]!
    const isLong = count * workOf(split, args) >= minimumWork
    if (!isLong || clash(moves, args, count)) return alone(...args)
    const grain = split.grain ?? GRAIN
    const size = Math.ceil(count / MAXIMUM_PIECES / grain) * grain
    const pieces = Math.ceil(count / size)
    if (!(pieces > 1)) return alone(...args)
    workers ??= startWorkers(others)
    if (workers.length === 0) return alone(...args)

    board.call.set([kernelNumbers.get(name)!, count, size, pieces])
    board.args.set(args)
    if (moves.includes('ones')) countOnes(args[moves.indexOf(BIT)]!, size, pieces)
    doTogether(name, pieces)
    if (moves.includes('counters')) gatherCounters(args[moves.indexOf('counters')]!)
    const result = resultOf(split, board.results.subarray(0, pieces), size)
    const isExceeded = split.limit !== undefined && result! > args[split.limit]!
    return isExceeded ? alone(...args) : result
  }

  function doTogether(name: string, pieces: number): void {
    const { words } = board
    Atomics.store(words, DONE, 0)
    Atomics.store(words, LEFT, pieces)
    Atomics.add(words, SIGNAL, 1)
    Atomics.notify(words, SIGNAL)
    const failure = doPieces(board, own)
    for (let i = 0; i < SPINS && Atomics.load(words, DONE) < pieces; i++);
    for (let done = Atomics.load(words, DONE); done < pieces; done = Atomics.load(words, DONE)) {
      Atomics.wait(words, DONE, done)
    }
    if (Atomics.exchange(words, FAILED, 0) === 0) return
    forgetCounters()
    throw failure ?? failedElsewhere(name)
  }

  function countOnes(bits: number, size: number, pieces: number): void {
    for (let i = 1; i < pieces; i++) {
      const inPiece = own.exports['countBits']!(bits + (i - 1) * size * BIT, size)!
      board.ones[i] = board.ones[i - 1]! + inPiece
    }
  }

  function gatherCounters(table: number): void {
    for (const { number, counters } of others) {
      if (Atomics.exchange(board.words, HELPED + number, 0) === 0) continue
      own.exports['moveCounts']!(counters, table, HISTOGRAM_BYTES / 4)
    }
  }

  /** What a call that failed has counted must not be added to the next. */
  function forgetCounters(): void {
    for (const { number, counters } of others) {
      Atomics.store(board.words, HELPED + number, 0)
      new Uint8Array(memory.buffer, counters, HISTOGRAM_BYTES).fill(0)
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

function failedElsewhere(name: string): EnvironmentError {
  return new EnvironmentError('E_KERNEL', `the kernel '${name}' failed in another thread`, {
    expected: 'a result from every thread',
    fix: 'run it with one thread to see the cause',
  })
}

function startWorkers(inits: readonly KernelWorkerInit[]): readonly Worker[] {
  const extension = extname(import.meta.url) // .ts in the repository, .js in the package
  const file = new URL(`./kernel-worker${extension}`, import.meta.url)
  try {
    return inits.map((workerData) => {
      const worker = new Worker(file, { workerData, execArgv: [], env: SHARE_ENV })
      // One that cannot start takes no pieces, which is all there is to do about it.
      worker.on('error', () => undefined)
      worker.unref()
      return worker
    })
  } catch {
    return []
  }
}

/**
 * Whether pieces would meet in memory: two arguments point into the same bytes without walking over
 * them in step.
 */
function clash(moves: readonly Move[], args: readonly number[], count: number): boolean {
  const spans = moves.flatMap((move, i) => {
    const step = move === 'ones' ? 4 : move
    if (typeof step === 'string' || step === 0) return []
    return [{ move, start: args[i]!, end: args[i]! + Math.ceil(step * count) }]
  })
  return spans.some((a, i) =>
    spans.slice(i + 1).some((b) => {
      const inStep = a.start === b.start && a.move === b.move
      return a.start < b.end && b.start < a.end && !inStep
    }),
  )
}

function resultOf(split: Split, results: Float64Array, size: number): number | undefined {
  if (split.result === 'sum') return results.reduce((sum, result) => sum + result, 0)
  if (split.result === undefined) return undefined
  const piece = results.findIndex((result) => result >= 0)
  return piece < 0 ? -1 : piece * size + results[piece]!
}
