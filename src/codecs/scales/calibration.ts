import { weightsOf } from '../../checkpoints/weights.ts'
import type { Kernels } from '../../compute/kernels.ts'
import { InvalidInputError } from '../../errors.ts'
import type { Checkpoint } from '../../tensors/checkpoint.ts'
import { isWeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Calibration } from '../index.ts'

/**
 * 4096 samples of a layer with 16,384 inputs, as f32; they are in memory twice while scales are
 * fitted.
 */
export const MAX_ACTIVATION_BYTES = 256 * 2 ** 20

/**
 * The activations in a file that holds, under the name of a weight matrix, inputs which that matrix
 * was given: `[n, inputs]` in F32, BF16 or F16. All of its header is checked against the model's
 * tensors before anything is read; then one tensor is read at a time. Throws `InvalidInputError`
 * `E_CALIBRATION` for a name that the model does not have, a shape that does not fit, another
 * dtype, or more than `MAX_ACTIVATION_BYTES`.
 */
export function calibrationOf(
  file: Checkpoint,
  model: Checkpoint['tensors'],
  kernels: Kernels,
): Calibration {
  for (const spec of file.tensors.values()) check(spec, model.get(spec.name))
  const weights = weightsOf(file, kernels)
  return async (tensor) => {
    const spec = file.tensors.get(tensor)
    if (spec === undefined) return undefined
    const elements = elementsOf(spec.shape)
    const region = kernels.allocate(4 * elements)
    try {
      await weights.load(tensor, region)
      return { rows: spec.shape[0]!, activations: region.f32.slice(0, elements) }
    } finally {
      kernels.release(region)
    }
  }
}

function check({ name, dtype, shape }: TensorSpec, weight: TensorSpec | undefined): void {
  if (weight === undefined) {
    throw bad(name, 'is no tensor of the model', 'names of its weight matrices', name)
  }
  if (!isWeightDType(dtype)) {
    throw bad(name, 'holds no activations', 'F32, BF16 or F16', dtype)
  }
  if (weight.shape.length < 2) {
    throw bad(name, 'is no matrix', 'a weight of two dimensions or more', show(weight.shape))
  }
  const inputs = elementsOf(weight.shape.slice(1))
  if (shape.length !== 2 || shape[0]! < 1 || shape[1] !== inputs) {
    throw bad(name, 'has activations of another shape', `[n, ${inputs}]`, show(shape))
  }
  const bytes = 4 * elementsOf(shape)
  if (bytes > MAX_ACTIVATION_BYTES) {
    const most = `at most ${MAX_ACTIVATION_BYTES} bytes as F32`
    throw bad(name, 'has too many activations', most, bytes)
  }
}

function bad(name: string, what: string, expected: string, actual: unknown): InvalidInputError {
  return new InvalidInputError('E_CALIBRATION', `calibration: '${name}' ${what}`, {
    expected,
    actual,
    fix: 'give a safetensors file of [n, inputs] under the name of each weight matrix',
    details: { tensor: name },
  })
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}
