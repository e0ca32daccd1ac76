import { allocateBuffers } from '../../compute/buffers.ts'
import { type Matrix, PACK_BYTES, type Region } from '../../compute/kernels.ts'
import { IncompatibleError } from '../../errors.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { CodecContext, DeltaTensor, Encoding, SectionSink } from '../index.ts'
import { blockCapacity, eachBlock } from '../sections/block.ts'
import { outOfRange } from '../sections/encoding.ts'
import { createTally } from '../sections/tally.ts'
import { valueScratchBytes, writeValues } from '../sections/values.ts'
import { productElements, type ScaledProduct } from './product.ts'

export const LEFT = 'left'
export const RIGHT = 'right'

/**
 * Stores a delta that is given as factors, such as LoRA's B, A and α/r, in the form of the codec
 * `low-rank`, without storing their product; they are rounded in place to `values`. `delta` is what
 * they stand for, where that is known: the error is then counted against it, and else is 0. Throws
 * `IncompatibleError` `E_NOT_A_MATRIX`, `E_SHAPE_MISMATCH` when they do not make up the tensor,
 * `E_RANK` when they have more columns than it, and `E_VALUE_RANGE`.
 */
export async function encodeFactors(
  spec: TensorSpec,
  product: ScaledProduct,
  values: WeightDType,
  sink: SectionSink,
  { kernels }: CodecContext,
  delta?: DeltaTensor,
): Promise<Encoding> {
  const { left, right } = product
  const [rows, columns] = matrixShape(spec)
  const scale = Math.fround(product.scale)

  /** Rounds it in place to what is stored. */
  async function storeFactor({ region, rows, columns }: Matrix, section: string): Promise<void> {
    const count = rows * columns
    using buffers = allocateBuffers(kernels, [valueScratchBytes(count)])
    const [scratch] = buffers.regions
    const into = { kernels, name: spec.name, dtype: values, count, scratch }
    await writeValues(into, region, (bytes) => sink(section, bytes))
  }

  if (left.rows !== rows || right.columns !== columns || left.columns !== right.rows) {
    throw unfit('E_SHAPE_MISMATCH', spec, [left.rows, left.columns, right.rows, right.columns])
  }
  if (right.rows > Math.min(rows, columns)) throw unfit('E_RANK', spec, right.rows)
  await storeFactor(left, LEFT)
  await storeFactor(right, RIGHT)

  using buffers = allocateBuffers(kernels, [blockCapacity(spec) * 4, PACK_BYTES])
  const [out, packs] = buffers.regions
  const tally = createTally(kernels)
  const blocks = delta === undefined ? blocksOf(elementsOf(spec.shape)) : eachBlock(delta)
  for await (const { from, count, delta = out } of blocks) {
    productElements(kernels, { left, right, scale }, out, from, count, packs)
    const overflow = kernels.firstNonFinite(out, count)
    if (overflow >= 0) throw outOfRange(spec.name, 'the product of F32 factors', out.f32[overflow])
    tally.add(delta, out, count)
  }
  return { parameters: { rank: right.rows, scale, values }, ...tally.finish() }
}

interface Block {
  readonly from: number
  readonly count: number
  readonly delta?: Region
}

function* blocksOf(elements: number): Generator<Block> {
  for (let from = 0; from < elements; from += BLOCK_ELEMENTS) {
    yield { from, count: Math.min(BLOCK_ELEMENTS, elements - from) }
  }
}

/** Rows and columns; throws `IncompatibleError` `E_NOT_A_MATRIX` for any other shape. */
export function matrixShape({ name, shape }: TensorSpec): readonly [number, number] {
  const [rows, columns] = shape
  if (shape.length === 2) return [rows!, columns!]
  throw new IncompatibleError('E_NOT_A_MATRIX', `'${name}' has no rows and columns`, {
    expected: 'a tensor of two dimensions',
    actual: `the shape [${shape.join(', ')}]`,
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
