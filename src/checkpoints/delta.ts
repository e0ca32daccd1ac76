import type { Kernels, Region } from '../compute/kernels.ts'
import { createLease } from '../compute/lease.ts'
import { MalformedError } from '../errors.ts'
import { CHUNK_ELEMENTS } from '../tensors/blocks.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { isWeightDType, type WeightDType } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { readAhead } from './read-ahead.ts'
import { notWeights } from './weights.ts'

/** `count` consecutive elements starting at `from`; regions are valid until the next chunk. */
export interface DeltaChunk {
  readonly from: number
  readonly count: number
  /** f32(post) − f32(base), or an edited delta. */
  readonly delta: Region
  /** The same elements of base and post in the tensor's dtype. */
  readonly base: Region
  readonly post: Region
}

/** One changed tensor; `chunks` may be called once per pass. */
export interface DeltaTensor {
  readonly spec: TensorSpec
  chunks(): AsyncIterable<DeltaChunk>
}

/**
 * The difference f32(post) − f32(base) of one tensor that both checkpoints have, chunk by chunk in
 * the kernels' memory, which is given back also when the caller stops early. A chunk holds
 * `CHUNK_ELEMENTS`, the last one what is left. Throws `InvalidInputError` `E_NOT_WEIGHTS` for
 * integers; `chunks` rejects with `MalformedError` `E_NOT_FINITE` that names the element, also
 * where two finite weights differ by more than f32 holds.
 */
export function deltaTensor(
  base: Checkpoint,
  post: Checkpoint,
  spec: TensorSpec,
  kernels: Kernels,
): DeltaTensor {
  const { dtype } = spec
  if (!isWeightDType(dtype)) throw notWeights(spec.name, dtype)
  return { spec, chunks: () => subtractInChunks(base, post, { ...spec, dtype }, kernels) }
}

async function* subtractInChunks(
  base: Checkpoint,
  post: Checkpoint,
  spec: TensorSpec & { readonly dtype: WeightDType },
  kernels: Kernels,
): AsyncGenerator<DeltaChunk> {
  const elements = elementsOf(spec.shape)
  const chunk = Math.min(elements, CHUNK_ELEMENTS)
  const lease = createLease(kernels)
  try {
    const readBase = readAhead(base, spec, chunk, lease)
    const readPost = readAhead(post, spec, chunk, lease)
    const delta = lease.take(chunk * 4)
    for (let from = 0; from < elements; from += chunk) {
      const count = Math.min(chunk, elements - from)
      const [ofBase, ofPost] = await Promise.all([readBase(from, count), readPost(from, count)])
      kernels.difference(spec.dtype, ofPost, ofBase, delta, count)
      const at = kernels.firstNonFinite(delta, count)
      if (at >= 0) {
        const difference = delta.f32[at]!
        kernels.widen(spec.dtype, ofBase, delta, count)
        throw notFinite(spec.name, from + at, delta.f32[at]!, difference)
      }
      yield { from, count, delta, base: ofBase, post: ofPost }
    }
  } finally {
    await lease.release()
  }
}

function notFinite(name: string, element: number, base: number, delta: number): MalformedError {
  const side = Number.isFinite(base) ? 'the fine-tune or its difference' : 'the base'
  return new MalformedError(
    'E_NOT_FINITE',
    `element ${element} of '${name}' is not finite in ${side}`,
    {
      expected: 'finite weights whose difference f32 can hold',
      actual: `base ${base}, difference ${delta}`,
      fix: 'use a checkpoint from before the training diverged',
      details: { tensor: name, element },
    },
  )
}
