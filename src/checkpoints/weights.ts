import type { Kernels, Region } from '../compute/kernels.ts'
import type { DeviceTensor } from '../compute/onnxruntime.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import { InvalidInputError } from '../errors.ts'
import { CHUNK_ELEMENTS } from '../tensors/blocks.ts'
import type { DeviceScope } from '../graphs/device-scope.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { dtypeBytes, isWeightDType } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { findTensor } from './find-tensor.ts'

/** Weights as a model runs on them: f32, one whole tensor at a time. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, TensorSpec>
  /**
   * Fills the first elements of `out` with the named tensor, widened to f32 from the dtype it has
   * on disk. Rejects with `NotFoundError` `E_TENSOR_MISSING` for an unknown name.
   */
  load(name: string, out: Region): Promise<void>
  /**
   * The same tensor made where a model runs, with the values of `load` but for what a device rounds
   * otherwise; what it is made of is kept there for other variants. `undefined` where that gains
   * nothing; then `load` it and upload it.
   */
  loadOn?(device: DeviceScope, name: string): Promise<DeviceTensor | undefined>
}

/**
 * The weights of a checkpoint. `load` rejects with `InvalidInputError` `E_NOT_WEIGHTS` for a tensor
 * of another dtype than F32, BF16 and F16, and `E_REGION_SIZE` when `out` is too small; it holds
 * one chunk besides `out`.
 */
export function weightsOf(checkpoint: Checkpoint, kernels: Kernels): Weights {
  return {
    tensors: checkpoint.tensors,
    async load(name, out) {
      const { dtype, shape } = findTensor(checkpoint.tensors, name)
      if (!isWeightDType(dtype)) throw notWeights(name, dtype)
      const elements = elementsOf(shape)
      if (out.bytes < 4 * elements) {
        throw new InvalidInputError('E_REGION_SIZE', `the region is too small for '${name}'`, {
          expected: `${4 * elements} bytes`,
          actual: `${out.bytes} bytes`,
        })
      }
      if (dtype === 'F32' || elements === 0) {
        return checkpoint.read(name, 0, out.u8.subarray(0, 4 * elements))
      }
      const size = dtypeBytes[dtype]
      const chunk = kernels.allocate(size * Math.min(elements, CHUNK_ELEMENTS))
      try {
        for (let from = 0; from < elements; from += CHUNK_ELEMENTS) {
          const count = Math.min(CHUNK_ELEMENTS, elements - from)
          await checkpoint.read(name, size * from, chunk.u8.subarray(0, size * count))
          kernels.widen(dtype, chunk, sliceRegion(out, 4 * from, 4 * count), count)
        }
      } finally {
        kernels.release(chunk)
      }
    },
  }
}

/** The refusal of integers where weights are needed. */
export function notWeights(name: string, dtype: string): InvalidInputError {
  return new InvalidInputError('E_NOT_WEIGHTS', `'${name}' does not hold weights`, {
    expected: 'F32, BF16 or F16',
    actual: dtype,
    fix: 'use a checkpoint whose weights have one of these dtypes',
  })
}
