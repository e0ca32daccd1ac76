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
