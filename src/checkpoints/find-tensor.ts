import { NotFoundError } from '../errors.ts'
import type { TensorSpec } from '../tensors/tensor.ts'

/** The spec of a named tensor. Throws `NotFoundError` `E_TENSOR_MISSING`. */
export function findTensor(tensors: ReadonlyMap<string, TensorSpec>, name: string): TensorSpec {
  const spec = tensors.get(name)
  if (spec !== undefined) return spec
  throw new NotFoundError('E_TENSOR_MISSING', `the checkpoint has no tensor '${name}'`, {
    expected: `one of its ${tensors.size} tensors`,
    actual: name,
    fix: 'check that the architecture in config.json is the one of these weights',
  })
}
