/**
 * How the arguments of a kernel follow its elements, so that several threads can share a call: what
 * stands for each argument says what it is for a piece that begins at element `from`.
 *
 * - a number: a pointer that moves by so many bytes per element; 0 for what stays as it is;
 * - `count`: the number of elements;
 * - `first`: the number of the first element;
 * - `low` and `high`, next to each other: the words of the number of a Philox block, which holds
 * four
 *   elements;
 * - `ones`: a pointer that moves by 4 bytes for each one that the bitmap, the argument that moves
 * by
 *   1/8, has before `from`;
 * - `counters`: a histogram's table; every thread has its own during the call, which are then
 * added;
 * - `room`: `HISTOGRAM_BYTES` at most that are anything before and after; every thread has its own.
 */
export type Move = number | 'count' | 'first' | 'low' | 'high' | 'ones' | 'counters' | 'room'

export interface Split {
  /** One for each argument; they may depend on arguments that say how wide an element is. */
  readonly moves: readonly Move[] | ((args: ArrayLike<number>) => readonly Move[])
  /**
   * About how many times as long as a copy of as many floats it takes; 1 unless given. It may
   * depend on arguments that say how much an element is.
   */
  readonly work?: number | ((args: ArrayLike<number>) => number)
  /** How the pieces' results become the call's: added, or the first that is not −1, as an index. */
  readonly result?: 'sum' | 'first'
  /** Pieces are multiples of so many elements, if that matters. */
  readonly grain?: number
  /**
   * The argument that the added results may not exceed; if they do, one thread does it all again.
   */
  readonly limit?: number
}

/** By the names of a family's exports; what is absent runs on one thread. */
export type Splits<Exports> = { readonly [Name in keyof Exports]?: Split }

/** By how many bytes pointers to f32 and to bits move. */
export const FLOAT = 4
export const BIT = 1 / 8
