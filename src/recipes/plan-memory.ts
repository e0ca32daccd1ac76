import { BLOCK_ELEMENTS } from '../tensors/blocks.ts'
import { dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import type { PlanNode } from './plan-node.ts'

/** What a codec may hold while it encodes or reads a tensor, in blocks of f32. */
const CODEC_BLOCKS = 8

/** What it may hold besides, whatever the tensor's size: counts by context, entropy models. */
const CODEC_TABLES = 320 * 1024

/** Rounding and padding of a region. */
const REGION_SLACK = 8192

/**
 * The most bytes of the kernels' memory that materialising one tensor takes: every region of its tree
 * lives until the tensor is done. `node` is what `nodeAt` gives for the tensor.
 */
export function memoryFor(node: PlanNode, spec: TensorSpec, chunkElements: number): number {
  const { f32, own } = sizesOf(spec, chunkElements)
  // Two buffers each for the bytes of base and post; the delta, the result (f32 at most).
  return 4 * own + 2 * f32 + streamMemory(node, spec, chunkElements)
}

function streamMemory(node: PlanNode, spec: TensorSpec, chunkElements: number): number {
  const { f32, own, whole, codec } = sizesOf(spec, chunkElements)
  switch (node.kind) {
    case 'zero':
      return 0
    case 'weights':
      return 2 * own
    case 'delta':
      return codec
    case 'operator': {
      const { inputs, scratch, operator, statistic } = node
      const tables = inputs.length * region(statistic?.table ?? 0)
      const inner = inputs.reduce(
        (sum, each) => sum + streamMemory(each, spec, chunkElements),
        tables,
      )
      return operator.whole === true
        ? inner + (inputs.length + 1 + scratch) * whole + 2 * codec
        : inner + (inputs.length + scratch) * f32
    }
  }
}

function sizesOf({ shape, dtype }: TensorSpec, chunkElements: number) {
  const elements = elementsOf(shape)
  const chunk = Math.min(chunkElements, elements)
  return {
    f32: region(chunk * 4),
    own: region(chunk * dtypeBytes[dtype]),
    whole: region(elements * 4),
    codec: CODEC_BLOCKS * region(Math.min(BLOCK_ELEMENTS, elements) * 4) + CODEC_TABLES,
  }
}

function region(bytes: number): number {
  return bytes + REGION_SLACK
}
