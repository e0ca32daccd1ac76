import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections, SectionSink } from '../index.ts'
import { bitmapBytes, clearPadding } from './bits.ts'
import { blockCapacity } from './block.ts'
import { checkSize } from './encoding.ts'
import { decodeMask, encodeMask, maskBytes, maskScratchBytes } from './mask.ts'
import { createSectionReader } from './section-reader.ts'

/** Parameter of every codec that stores signs: what a zero becomes. */
export const zeros = {
  type: 'choice',
  default: 'keep',
  options: ['keep', 'plus'],
  about: 'a weight that did not change stays so (keep) or counts as positive (plus)',
} as const

/**
 * The signs of a tensor, block by block. Section `nonzero`: bit i is 1 where Δᵢ ≠ 0, there only
 * with `zeros: keep` and only if the tensor has both a zero and a value that is not. Section
 * `signs`: one bit for each element, or for each that `nonzero` has, 1 where Δᵢ ≥ 0; nothing for a
 * block without any. The bits of a block are a frame of `mask.ts` in both. Neither depends on any
 * magnitude, so that siblings share their bytes.
 */
export interface Signs {
  /** Of the current block: 1 where an element counts as positive; where it is kept as 0, either. */
  readonly signs: Region
  /** Of the current block: 1 where an element has a sign; absent where all have. */
  readonly nonzero: Region | undefined
  /** Puts the signs before the block's magnitudes; +0 where the magnitude or the element is 0. */
  apply(out: Region, count: number): void
}

export interface SignWriter extends Signs, Disposable {
  /** Stores the signs of the next block; gives how many there are. */
  write(delta: Region, count: number): Promise<number>
}

export function createSignWriter(
  kernels: Kernels,
  spec: TensorSpec,
  sink: SectionSink,
  init: { readonly zeros: 'keep' | 'plus'; readonly zeroCount: number },
): SignWriter {
  const keeps =
    init.zeros === 'keep' && init.zeroCount > 0 && init.zeroCount < elementsOf(spec.shape)
  const { block, stored, scratch, close } = allocateSigns(kernels, spec, keeps)
  const { signs, nonzero } = block
  return {
    ...block,
    async write(delta, count) {
      kernels.packSigns(delta, signs, count)
      if (nonzero === undefined) {
        clearPadding(signs, count)
        await sink(SIGNS, encodeMask(kernels, signs, count, scratch))
        return count
      }
      kernels.packNonzero(delta, nonzero, count)
      clearPadding(nonzero, count)
      await sink(NONZERO, encodeMask(kernels, nonzero, count, scratch))
      const kept = kernels.compactBits(signs, nonzero, stored, count)
      if (kept > 0) await sink(SIGNS, encodeMask(kernels, stored, kept, scratch))
      return kept
    },
    [Symbol.dispose]: close,
  }
}

/** The stored signs of a tensor, from its first element to its last. */
export interface SignReader extends Signs {
  /** Reads those of the next block; gives how many there are. */
  read(count: number): Promise<number>
  end(): void
  close(): void
}

/** Checks the sections' sizes before it allocates; throws `MalformedError` `E_BAD_ENCODING`. */
export function openSigns(
  kernels: Kernels,
  spec: TensorSpec,
  sections: Sections,
  policy: 'keep' | 'plus',
): SignReader {
  const keeps = checkSigns(spec, sections, policy)
  const { block, stored, scratch, close } = allocateSigns(kernels, spec, keeps)
  const { signs, nonzero } = block
  const signReader = createSectionReader(sections, SIGNS)
  const nonzeroReader = createSectionReader(sections, NONZERO)
  return {
    ...block,
    async read(count) {
      if (nonzero === undefined) {
        await decodeMask(kernels, signReader, signs, count, scratch)
        return count
      }
      await decodeMask(kernels, nonzeroReader, nonzero, count, scratch)
      const kept = kernels.countBits(nonzero, count)
      if (kept > 0) await decodeMask(kernels, signReader, stored, kept, scratch)
      return kernels.expandBits(stored, nonzero, signs, count)
    },
    end() {
      signReader.end()
      nonzeroReader.end()
    },
    close,
  }
}

/**
 * Whether there is a section `nonzero`; throws `MalformedError` `E_BAD_ENCODING` for wrong sizes.
 */
export function checkSigns(
  { shape }: TensorSpec,
  sections: Sections,
  policy: 'keep' | 'plus',
): boolean {
  const [least, most] = maskBytes(elementsOf(shape))
  const keeps = policy === 'keep' && sections.bytes(NONZERO) > 0
  checkSize(sections, SIGNS, keeps ? 0 : least, most)
  checkSize(sections, NONZERO, keeps ? least : 0, keeps ? most : 0)
  return keeps
}

function allocateSigns(kernels: Kernels, spec: TensorSpec, keeps: boolean) {
  const capacity = blockCapacity(spec)
  const bytes = bitmapBytes(capacity)
  const ofZeros = keeps ? bytes : 0
  const buffers = allocateBuffers(kernels, [bytes, ofZeros, ofZeros, maskScratchBytes(capacity)])
  const [signs, mask, stored, scratch] = buffers.regions
  const nonzero = keeps ? mask : undefined
  const block: Signs = {
    signs,
    nonzero,
    apply(out, count) {
      kernels.applySigns(signs, out, count)
      if (nonzero !== undefined) kernels.clearByBits(nonzero, out, count)
    },
  }
  return { block, stored, scratch, close: () => buffers[Symbol.dispose]() }
}

const SIGNS = 'signs'
const NONZERO = 'nonzero'
