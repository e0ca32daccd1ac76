import type { Codec } from '../codecs/index.ts'
import type { Registry } from '../registry.ts'
import { BLOCK_ELEMENTS } from '../tensors/blocks.ts'
import { dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import type { PlanNode } from './plan-node.ts'

/** What a codec may hold while it encodes or reads a tensor, in blocks of f32. */
const CODEC_BLOCKS = 8

/** Rounding and padding of a region. */
const REGION_SLACK = 8192

/** Regions that an operator may take besides inputs, output and scratch. */
const OWN_REGIONS = 32

/**
 * The most bytes of the kernels' memory that materialising one tensor takes: every region of its tree
 * lives until the tensor is done. `node` is what `nodeAt` gives for the tensor.
 */
export function memoryFor(
  node: PlanNode,
  spec: TensorSpec,
  chunkElements: number,
  codecs: Registry<Codec>,
): number {
  const { f32, own } = sizesOf(spec, chunkElements)
  // Two buffers each for the bytes of base and post; the delta, the result (f32 at most).
  return 4 * own + 2 * f32 + streamMemory(node, spec, chunkElements, codecs)
}

function streamMemory(
  node: PlanNode,
  spec: TensorSpec,
  chunkElements: number,
  codecs: Registry<Codec>,
): number {
  const { f32, own, whole, codec } = sizesOf(spec, chunkElements)
  switch (node.kind) {
    case 'zero':
      return 0
    case 'weights':
      return 2 * own
    case 'delta': {
      const { codec: id, parameters } = node.source.tensors.get(spec.name)!
      return codec + (codecs.get(id).memory?.('read', spec, parameters) ?? 0)
    }
    case 'operator': {
      const { inputs, scratch, operator, statistic, parameters } = node
      const besides = operator.memory?.(spec, parameters, codecs)
      const tables = inputs.length * region(statistic?.table ?? 0)
      const own = besides === undefined ? tables : tables + besides + OWN_REGIONS * REGION_SLACK
      const inner = inputs.reduce(
        (sum, each) => sum + streamMemory(each, spec, chunkElements, codecs),
        own,
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
    codec: CODEC_BLOCKS * region(Math.min(BLOCK_ELEMENTS, elements) * 4),
  }
}

function region(bytes: number): number {
  return bytes + REGION_SLACK
}
