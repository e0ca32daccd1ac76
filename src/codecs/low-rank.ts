import { allocateBuffers } from '../compute/buffers.ts'
import { type Matrix, PACK_BYTES } from '../compute/kernels.ts'
import { matrixOf } from '../compute/matrix/matrix.ts'
import { createProducts } from '../compute/matrix/products.ts'
import { svdBytes, truncatedSvd } from '../compute/matrix/truncated-svd.ts'
import { createLease } from '../compute/lease.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { encodeFactors, LEFT, matrixShape, RIGHT } from './factors/encode-factors.ts'
import { productElements } from './factors/product.ts'
import { defineCodec } from './index.ts'
import { createBlockReader } from './sections/block.ts'
import { badEncoding, checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createValueReader, valueBytes, valueScratchBytes } from './sections/values.ts'

const values = {
  type: 'choice',
  default: 'BF16',
  options: ['F32', 'BF16', 'F16'],
  about: 'dtype of the stored factors',
} as const

/** What is stored beside the sections. */
const stored = {
  rank: { type: 'number', default: 0, min: 0, max: 2 ** 31, integer: true, about: 'inner size' },
  scale: { type: 'number', default: 1, min: -3e38, max: 3e38, about: 'factor of the product' },
  values,
} as const

/**
 * The two factors of a matrix: b · r · (rows + columns) bits, where b is the bits of a value, and
 * less where their exponents repeat. Encoding takes the truncated singular value decomposition,
 * whose left factor is U√Σ and the right one √ΣVᵀ; factors that exist already are stored by
 * `encodeFactors`.
 *
 * Sections: `left` and `right`, the factors row by row in the dtype of `values`
 * (`sections/values.ts`), empty at rank 0.
 *
 * Decoded: element (i, j) is scale · (((0 + lᵢ₀·r₀ⱼ) + lᵢ₁·r₁ⱼ) + …), every product and sum rounded
 * to f32.
 */
export const codec = defineCodec({
  id: 'low-rank',
  about: 'the leading singular values and vectors of a matrix, as two factors',
  reference: 'truncated SVD: Twin-Merging, arXiv 2406.15479; factors: LoRA, arXiv 2106.09685',
  exact: false,
  parameters: {
    rank: {
      type: 'number',
      default: 64,
      min: 1,
      max: 65_536,
      integer: true,
      about: 'singular values kept, at most',
    },
    energy: {
      type: 'number',
      default: 1,
      min: 0,
      max: 1,
      about: 'as few singular values as hold this share of the squared norm',
    },
    values,
  },

  memory(use, { shape }, { rank, energy = 1 }) {
    // What is stored has not been checked yet when a plan asks.
    const [rows = 0, columns = 0] = shape
    const truncation = {
      rank: Math.min(Number(rank) || 0, rows, columns),
      energy: Number(energy),
    }
    if (use === 'encode') return elementsOf(shape) * 4 + svdBytes(rows, columns, truncation)
    return truncation.rank * (rows + columns) * 4
  },

  async encode(tensor, { rank, energy, values }, sink, context) {
    const { spec } = tensor
    const { kernels } = context
    weightDType(spec)
    const [rows, columns] = matrixShape(spec)
    const [factors, whole] = [createLease(kernels), createLease(kernels)]
    try {
      const matrix = matrixOf(whole.take(rows * columns * 4), rows, columns)
      for await (const { from, count, delta } of tensor.chunks()) {
        matrix.region.f32.set(delta.f32.subarray(0, count), from)
      }
      const products = createProducts(kernels, whole)
      const { left, right } = await truncatedSvd(products, matrix, { rank, energy }, factors)
      await whole.release()
      const product = { left, right, scale: 1 }
      return await encodeFactors(spec, product, values, sink, context, tensor)
    } finally {
      await whole.release()
      await factors.release()
    }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const { rank, scale, values } = checkStored(tensor, stored)
    const [rows, columns] = spec.shape
    if (spec.shape.length !== 2 || rank > Math.min(rows!, columns!)) {
      throw badEncoding(
        `the rank of '${spec.name}'`,
        `at most that of ${spec.shape.join(' × ')}`,
        rank,
      )
    }
    checkSize(sections, LEFT, ...valueBytes(rows! * rank, values))
    checkSize(sections, RIGHT, ...valueBytes(rank * columns!, values))

    const sizes = [rows! * rank * 4, rank * columns! * 4, PACK_BYTES] as const
    const buffers = allocateBuffers(kernels, sizes)
    const close = (): void => buffers[Symbol.dispose]()
    const left = matrixOf(buffers.regions[0], rows!, rank)
    const right = matrixOf(buffers.regions[1], rank, columns!)

    async function readFactor(section: string, { region, rows, columns }: Matrix): Promise<void> {
      const count = rows * columns
      using buffers = allocateBuffers(kernels, [valueScratchBytes(count)])
      const [scratch] = buffers.regions
      const from = { kernels, name: spec.name, dtype: values, count, scratch }
      const reader = createValueReader(from, createSectionReader(sections, section))
      await reader.take(region, count)
      reader.end()
    }

    try {
      await readFactor(LEFT, left)
      await readFactor(RIGHT, right)
    } catch (error) {
      close()
      throw error
    }
    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        productElements(kernels, { left, right, scale }, out, from, count, buffers.regions[2])
        const bad = kernels.firstNonFinite(out, count)
        if (bad >= 0) throw badEncoding(`'${spec.name}'`, 'finite values', out.f32[bad])
      },
      end: () => undefined,
      close,
    })
  },
})
