import { kernelSplits } from './kernel-splits.ts'
import type { Move, Split } from './kernels/split.ts'

/**
 * A call of a kernel, cut into pieces and laid out where all threads see it. Whoever has time takes
 * the next piece, so that a thread that wakes late, or never, only does less.
 */

/** Threads wait for each other for half a piece on average; more pieces cost more than they save. */
export const MAXIMUM_PIECES = 32

/** What the calls of one memory are laid out in. */
export interface CallBoard {
  /** Places of `SIGNAL`, `LEFT`, `DONE` and `FAILED`. */
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

const MAXIMUM_ARGUMENTS = 16
const BOARD_BYTES = 64 + 8 * (8 + MAXIMUM_ARGUMENTS + 2 * MAXIMUM_PIECES)

export function createBoardMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(BOARD_BYTES)
}

export function viewBoard(memory: SharedArrayBuffer): CallBoard {
  const numbers = new Float64Array(memory, 64)
  const [args, results, ones] = [8, 8 + MAXIMUM_ARGUMENTS, 8 + MAXIMUM_ARGUMENTS + MAXIMUM_PIECES]
  return {
    words: new Int32Array(memory, 0, 4),
    call: numbers.subarray(0, args),
    args: numbers.subarray(args, results),
    results: numbers.subarray(results, ones),
    ones: numbers.subarray(ones),
  }
}

/** The exports of one thread, and what is its own: undefined in the thread that calls. */
export interface KernelThread {
  readonly exports: Readonly<Record<string, (...args: readonly number[]) => number | undefined>>
  /** The pointer that stands for the caller's counters. */
  readonly counters?: number
}

const entries = [...kernelSplits]

/** The number by which threads name a kernel. */
export const kernelNumbers: ReadonlyMap<string, number> = new Map(
  entries.map(([name], number) => [name, number]),
)

/** Does pieces until all are taken; gives what one of them threw. */
export function doPieces(board: CallBoard, thread: KernelThread): unknown {
  let failure: unknown
  for (;;) {
    const left = Atomics.sub(board.words, LEFT, 1)
    if (left <= 0) return failure
    const pieces = board.call[3]!
    const piece = pieces - left
    try {
      board.results[piece] = doPiece(board, thread, piece) ?? 0
    } catch (error) {
      failure ??= error
      Atomics.store(board.words, FAILED, 1)
    }
    const done = Atomics.add(board.words, DONE, 1) + 1
    if (done === pieces) Atomics.notify(board.words, DONE)
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
    if (move === 'block') return given + from / 4
    if (move === 'ones') return given + ones[piece]! * 4
    if (move === 'counters') return thread.counters ?? given
    return given + move * from
  }
  return thread.exports[name]!(...movesOf(split, args).map(moved))
}

export function movesOf({ moves }: Split, args: ArrayLike<number>): readonly Move[] {
  return typeof moves === 'function' ? moves(args) : moves
}
