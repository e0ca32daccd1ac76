import type { Kernels, Region } from '../../compute/kernels.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections, SectionSink } from '../index.ts'
import { bitmapBytes, clearPadding } from './bits.ts'
import { allocateBuffers, blockCapacity } from './block.ts'
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
 * The signs of a tensor, block by block (`mask.ts`). Section `signs`: bit i is 1 where Δᵢ ≥ 0. Section
 * `nonzero`: bit i is 1 where Δᵢ ≠ 0, there only with `zeros: keep` and only if the tensor has both a
 * zero and a value that is not. Neither depends on any magnitude, so that siblings share their bytes.
 */
export interface SignWriter extends Disposable {
  /** Stores the signs of one block. */
  write(delta: Region, count: number): Promise<void>
  /** Puts these signs before the block's magnitudes; +0 where the magnitude or the element is 0. */
  apply(out: Region, count: number): void
}

export function createSignWriter(
  kernels: Kernels,
  spec: TensorSpec,
  sink: SectionSink,
  init: { readonly zeros: 'keep' | 'plus'; readonly zeroCount: number },
): SignWriter {
  const keeps =
    init.zeros === 'keep' && init.zeroCount > 0 && init.zeroCount < elementsOf(spec.shape)
  const buffers = allocateSigns(kernels, spec, keeps)
  const [signs, nonzero, scratch] = buffers.regions
  return {
    async write(delta, count) {
      kernels.packSigns(delta, signs, count)
      clearPadding(signs, count)
      await sink(SIGNS, encodeMask(kernels, signs, count, scratch))
      if (!keeps) return
      kernels.packNonzero(delta, nonzero, count)
      clearPadding(nonzero, count)
      await sink(NONZERO, encodeMask(kernels, nonzero, count, scratch))
    },
    apply(out, count) {
      kernels.applySigns(signs, out, count)
      if (keeps) kernels.clearByBits(nonzero, out, count)
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}

/** The stored signs of a tensor, from its first element to its last. */
export interface SignReader {
  /** Reads the next block's. */
  read(count: number): Promise<void>
  apply: SignWriter['apply']
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
  const buffers = allocateSigns(kernels, spec, keeps)
  const [signs, nonzero, scratch] = buffers.regions
  const signReader = createSectionReader(sections, SIGNS)
  const nonzeroReader = createSectionReader(sections, NONZERO)
  return {
    async read(count) {
      await decodeMask(kernels, signReader, signs, count, scratch)
      if (keeps) await decodeMask(kernels, nonzeroReader, nonzero, count, scratch)
    },
    apply(out, count) {
      kernels.applySigns(signs, out, count)
      if (keeps) kernels.clearByBits(nonzero, out, count)
    },
    end() {
      signReader.end()
      nonzeroReader.end()
    },
    close: () => buffers[Symbol.dispose](),
  }
}

/** Whether there is a section `nonzero`; throws `MalformedError` `E_BAD_ENCODING` for wrong sizes. */
export function checkSigns(
  { shape }: TensorSpec,
  sections: Sections,
  policy: 'keep' | 'plus',
): boolean {
  const [least, most] = maskBytes(elementsOf(shape))
  const keeps = policy === 'keep' && sections.bytes(NONZERO) > 0
  checkSize(sections, SIGNS, least, most)
  checkSize(sections, NONZERO, keeps ? least : 0, keeps ? most : 0)
  return keeps
}

function allocateSigns(kernels: Kernels, spec: TensorSpec, keeps: boolean) {
  const capacity = blockCapacity(spec)
  const bytes = bitmapBytes(capacity)
  return allocateBuffers(kernels, [bytes, keeps ? bytes : 0, maskScratchBytes(capacity)])
}

export const SIGNS = 'signs'
export const NONZERO = 'nonzero'
