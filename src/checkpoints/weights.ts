import type { Region } from '../compute/kernels.ts'
import type { TensorSpec } from '../tensors/tensor.ts'

/** Weights as a model runs on them: f32, one whole tensor at a time. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, TensorSpec>
  /**
   * Fills the first elements of `out` with the named tensor, widened to f32 from the dtype it has on
   * disk. Rejects with `NotFoundError` `E_TENSOR_MISSING` for an unknown name.
   */
  load(name: string, out: Region): Promise<void>
}
