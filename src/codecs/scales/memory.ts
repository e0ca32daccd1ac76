import type { ParameterValues } from '../../parameters.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'

/** A sum and a count in f64 for each scale while it is found; as it is stored and as f32 to read it. */
const BYTES_OF_SCALE = { encode: 16, read: 8 } as const

/**
 * Bytes that scales take besides a few blocks: those of columns are in memory at once, others only as
 * far as a block needs them.
 */
export function scalesMemory(
  use: 'encode' | 'read',
  { shape }: TensorSpec,
  { scales }: ParameterValues,
): number {
  if (scales !== 'column') return 0
  const rows = shape.length < 2 ? 1 : shape[0]!
  return BYTES_OF_SCALE[use] * (elementsOf(shape) / Math.max(1, rows))
}
