import { kernelSplits } from './kernel-splits.ts'
import type { Move, Split } from './kernels/split.ts'

/**
 * A call of a kernel, cut into pieces and laid out where all threads see it. Whoever has time takes
 * the next piece, so that a thread that wakes late, or never, only does less.
 */
export interface CallBoard {
  /** Places `SIGNAL` to `HELPED`, the last being one for each thread. */
  readonly words: Int32Array
  /** Number of the kernel, elements, elements of a piece, pieces. */
  readonly call: Float64Array
  readonly args: Float64Array
  /** One of each piece. */
  readonly results: Float64Array
  /** How many ones the bitmap has before each piece, where the kernel asks for it. */
  readonly ones: Float64Array
}

/** Changes with each call: what idle threads wait for. */
export const SIGNAL = 0
/** Pieces that nobody has taken yet; 0 or less between calls. */
export const LEFT = 1
/** Pieces that are finished; the thread that finishes the last one says so. */
export const DONE = 2
/** Whether a piece threw. */
export const FAILED = 3
/** Whether thread n has done pieces since the caller last looked, at `HELPED + n`. */
export const HELPED = 4

/** Threads wait for each other for half a piece on average; more pieces cost more than they save. */
export const MAXIMUM_PIECES = 32

/** More than the memory can feed. */
export const MAXIMUM_THREADS = 16

const WORDS = HELPED + MAXIMUM_THREADS
/** Of `call`, `args`, `results` and `ones`. */
const NUMBERS = [4, 12, MAXIMUM_PIECES, MAXIMUM_PIECES] as const

export function createBoardMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * WORDS + 8 * NUMBERS.reduce((sum, length) => sum + length, 0))
}

export function viewBoard(memory: SharedArrayBuffer): CallBoard {
  let end = 4 * WORDS
  const [call, args, results, ones] = NUMBERS.map((length) => {
    const numbers = new Float64Array(memory, end, length)
    end += numbers.byteLength
    return numbers
  }) as [Float64Array, Float64Array, Float64Array, Float64Array]
  return { words: new Int32Array(memory, 0, WORDS), call, args, results, ones }
}

export interface KernelThread {
  /** 0 for the thread that calls. */
  readonly number: number
  readonly exports: Readonly<Record<string, (...args: readonly number[]) => number | undefined>>
  /** What it uses in place of the caller's counters and room, if not those. */
  readonly counters?: number
}

const entries = [...kernelSplits]

/** The number by which threads name a kernel. */
export const kernelNumbers: ReadonlyMap<string, number> = new Map(
  entries.map(([name], number) => [name, number]),
)

/** Does pieces until all are taken; gives what the first that failed threw. */
export function doPieces(board: CallBoard, thread: KernelThread): unknown {
  const { words, call, results } = board
  let failure: unknown
  for (;;) {
    // Nothing else of the board may be read before there is a piece: it may be about to change.
    const left = Atomics.sub(words, LEFT, 1)
    if (left <= 0) return failure
    const pieces = call[3]!
    try {
      results[pieces - left] = doPiece(board, thread, pieces - left) ?? 0
    } catch (error) {
      failure ??= error
      Atomics.store(words, FAILED, 1)
    }
    Atomics.store(words, HELPED + thread.number, 1)
    if (Atomics.add(words, DONE, 1) + 1 === pieces) Atomics.notify(words, DONE)
  }
}

function doPiece(board: CallBoard, thread: KernelThread, piece: number): number | undefined {
  const { call, args, ones } = board
  const [name, split] = entries[call[0]!]!
  const [count, size] = [call[1]!, call[2]!]
  const from = piece * size

  function moved(move: Move, i: number): number {
    const given = args[i]!
    if (move === 'count') return Math.min(size, count - from)
    if (move === 'first') return given + from
    if (move === 'low') return (given + from / 4) >>> 0
    if (move === 'high') return given + Math.floor((args[i - 1]! + from / 4) / 2 ** 32)
    if (move === 'ones') return given + ones[piece]! * 4
    if (move === 'counters' || move === 'room') return thread.counters ?? given
    return given + move * from
  }
  return thread.exports[name]!(...movesOf(split, args).map(moved))
}

export function workOf({ work = 1 }: Split, args: ArrayLike<number>): number {
  return typeof work === 'function' ? work(args) : work
}

export function movesOf({ moves }: Split, args: ArrayLike<number>): readonly Move[] {
  return typeof moves === 'function' ? moves(args) : moves
}
