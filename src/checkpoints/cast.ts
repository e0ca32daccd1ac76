import { allocateBuffers } from '../compute/buffers.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import { InvalidInputError } from '../errors.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { dtypeBytes, isWeightDType, type WeightDType } from '../tensors/dtype.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import { findTensor } from './find-tensor.ts'

/**
 * The same checkpoint with its weights rounded to nearest even in another dtype; what F16 cannot hold
 * becomes infinite. Integers stay as they are. A read must begin and end between elements, otherwise
 * it rejects with `InvalidInputError` `E_UNALIGNED_READ`.
 */
export function castCheckpoint(
  checkpoint: Checkpoint,
  dtype: WeightDType,
  kernels: Kernels,
): Checkpoint {
  const tensors = new Map<string, TensorSpec>()
  for (const [name, spec] of checkpoint.tensors) {
    tensors.set(name, isWeightDType(spec.dtype) ? { ...spec, dtype } : spec)
  }
  return {
    tensors,
    async read(name, offset, into) {
      const from = findTensor(checkpoint.tensors, name).dtype
      if (!isWeightDType(from) || from === dtype || into.length === 0) {
        return checkpoint.read(name, offset, into)
      }
      const [sourceBytes, bytes] = [dtypeBytes[from], dtypeBytes[dtype]]
      if (offset % bytes !== 0 || into.length % bytes !== 0) {
        throw new InvalidInputError('E_UNALIGNED_READ', `a read of '${name}' cuts an element`, {
          expected: `offset and length in multiples of ${bytes}`,
          actual: [offset, into.length],
        })
      }
      const count = into.length / bytes
      using buffers = allocateBuffers(kernels, [2 * count, 4 * count])
      const [narrow, wide] = buffers.regions
      const fill = (region: Region) => {
        const piece = region.u8.subarray(0, sourceBytes * count)
        return checkpoint.read(name, (offset / bytes) * sourceBytes, piece)
      }
      if (from === 'F32') await fill(wide)
      else {
        await fill(narrow)
        kernels.widen(from, narrow, wide, count)
      }
      if (dtype !== 'F32') kernels.narrow(dtype, wide, narrow, count)
      into.set((dtype === 'F32' ? wide : narrow).u8.subarray(0, into.length))
    },
  }
}
