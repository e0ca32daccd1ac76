import { createHash } from 'node:crypto'
import { PACK_BYTES } from '../../compute/kernels.ts'
import { IncompatibleError } from '../../errors.ts'
import type { ParameterValues } from '../../parameters.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { CodecContext, SectionSink } from '../index.ts'
import { allocateBuffers, blockCapacity } from '../sections/block.ts'
import { outOfRange } from '../sections/encoding.ts'
import { sectionOf, writeFactor } from './factor-section.ts'
import { productElements, type ScaledProduct } from './product.ts'

export const LEFT = 'left'
export const RIGHT = 'right'

/**
 * Stores a delta that is given as factors, such as LoRA's B, A and α/r, in the form of the codec
 * `low-rank`, without multiplying them out; the factors are rounded in place to `values`. Throws
 * `IncompatibleError` `E_NOT_A_MATRIX`, `E_SHAPE_MISMATCH` when they do not make up the tensor, `E_RANK`
 * when they have more columns than it, and `E_VALUE_RANGE`.
 */
export async function encodeFactors(
  spec: TensorSpec,
  product: ScaledProduct,
  values: WeightDType,
  sink: SectionSink,
  { kernels }: CodecContext,
): Promise<{ readonly parameters: ParameterValues; readonly sha256: Uint8Array }> {
  const { left, right } = product
  const [rows, columns] = matrixShape(spec)
  const scale = Math.fround(product.scale)
  if (left.rows !== rows || right.columns !== columns || left.columns !== right.rows) {
    throw unfit('E_SHAPE_MISMATCH', spec, [left.rows, left.columns, right.rows, right.columns])
  }
  if (right.rows > Math.min(rows, columns)) throw unfit('E_RANK', spec, right.rows)
  await writeFactor(kernels, left, values, spec.name, sectionOf(sink, LEFT))
  await writeFactor(kernels, right, values, spec.name, sectionOf(sink, RIGHT))

  using buffers = allocateBuffers(kernels, [blockCapacity(spec) * 4, PACK_BYTES])
  const [out, packs] = buffers.regions
  const hash = createHash('sha256')
  const elements = elementsOf(spec.shape)
  for (let from = 0; from < elements; from += BLOCK_ELEMENTS) {
    const count = Math.min(BLOCK_ELEMENTS, elements - from)
    productElements(kernels, { left, right, scale }, out, from, count, packs)
    const overflow = kernels.firstNonFinite(out, count)
    if (overflow >= 0) throw outOfRange(spec.name, 'the product of F32 factors', out.f32[overflow])
    hash.update(out.u8.subarray(0, count * 4))
  }
  return {
    parameters: { rank: right.rows, scale, values },
    sha256: new Uint8Array(hash.digest()),
  }
}

/** Rows and columns; throws `IncompatibleError` `E_NOT_A_MATRIX` for any other shape. */
export function matrixShape({ name, shape }: TensorSpec): readonly [number, number] {
  const [rows, columns] = shape
  if (shape.length === 2) return [rows!, columns!]
  throw new IncompatibleError('E_NOT_A_MATRIX', `'${name}' has no rows and columns`, {
    expected: 'a tensor of two dimensions',
    actual: shape,
    fix: 'use the scope `matrices`',
    details: { tensor: name },
  })
}

function unfit(
  id: 'E_SHAPE_MISMATCH' | 'E_RANK',
  { name, shape }: TensorSpec,
  actual: unknown,
): IncompatibleError {
  const [message, expected] =
    id === 'E_RANK'
      ? ['factors of a higher rank than it can have', `a rank of at most ${Math.min(...shape)}`]
      : ['factors of another shape', `${shape[0]} × r and r × ${shape[1]}`]
  return new IncompatibleError(id, `'${name}' has ${message}`, {
    expected,
    actual,
    fix: 'store their product with another codec',
    details: { tensor: name },
  })
}
