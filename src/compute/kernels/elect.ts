import { InvalidInputError } from '../../errors.ts'
import { holdFloats, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** The vote and the mean of TIES. */
export interface ElectKernels {
  /**
   * TIES' last two steps over already trimmed inputs: elect the sign of each element and average
   * the inputs that agree with it, times `lambda`. `weights` multiply the inputs before the
   * election when `weighted`, otherwise only in the mean. Election: the sign of the sum; a sum of 0
   * elects `zeroSign`. out = lambda · Σ agreeing (w·x) ÷ Σ agreeing w, in f32, in input order; 0
   * where none agrees. `normalize: false` leaves out the division, and so do weights that cancel to
   * less than 10⁻⁸.
   */
  electAndMerge(inputs: readonly Region[], out: Region, count: number, options: ElectAndMerge): void
}

export interface ElectAndMerge {
  readonly weights: readonly number[]
  readonly weighted: boolean
  readonly zeroSign: 1 | -1
  readonly normalize: boolean
  readonly lambda: number
}

/** What assembly/elect.ts exports. */
export interface ElectExports {
  /** The pointer of 32 KiB that hold tables during a call. */
  readonly scratch: { readonly value: number }
  /**
   * Expects the inputs' pointers in `table`, their f32 weights right behind; begins at element
   * `first`.
   */
  electAndMerge(
    table: number,
    inputs: number,
    first: number,
    out: number,
    count: number,
    weighted: number,
    zeroPositive: number,
    normalize: number,
    lambda: number,
  ): void
}

export const electSplits: Splits<ElectExports> = {
  electAndMerge: { moves: [0, 0, 'first', FLOAT, 'count', 0, 0, 0, 0], work: 8 },
}

/** A pointer and a weight of each input must fit the 32 KiB of `scratch`. */
const MAXIMUM_INPUTS = 4096

export function bindElect(wasm: ElectExports): ElectKernels {
  return {
    electAndMerge(inputs, out, count, options) {
      const { weights, weighted, zeroSign, normalize, lambda } = options
      if (inputs.length > MAXIMUM_INPUTS || weights.length !== inputs.length) {
        throw new InvalidInputError(
          'E_INPUTS',
          `expected at most ${MAXIMUM_INPUTS} inputs with a weight each, got ${inputs.length} inputs and ${weights.length} weights`,
          { expected: MAXIMUM_INPUTS, actual: inputs.length },
        )
      }
      holdFloats(count, out, ...inputs)
      const table = wasm.scratch.value
      const memory = out.u8.buffer
      new Uint32Array(memory, table, inputs.length).set(inputs.map(({ pointer }) => pointer))
      new Float32Array(memory, table + inputs.length * 4, inputs.length).set(weights)
      wasm.electAndMerge(
        table,
        inputs.length,
        0,
        out.pointer,
        count,
        Number(weighted),
        Number(zeroSign > 0),
        Number(normalize),
        lambda,
      )
    },
  }
}
