import { type CallBoard, DONE, FAILED, HELPED, LEFT } from './call-board.ts'
import { kernelSplits } from './kernels/families.ts'
import type { Move, Split } from './kernels/split.ts'

/** A thread that does pieces of the calls that stand on a board. */
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
