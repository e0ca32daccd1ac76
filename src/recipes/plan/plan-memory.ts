import type { Codec } from '../../codecs/index.ts'
import { tableBytes } from '../../operators/statistics/statistic.ts'
import type { ParameterValues } from '../../parameters.ts'
import type { Registry } from '../../registry.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import { partElements, windowElements } from './part-elements.ts'
import type { OperatorStep, PlanNode } from './plan-node.ts'

/** What a codec may hold while it encodes or reads a tensor, in blocks of f32. */
const CODEC_BLOCKS = 8

/** What it may hold besides, whatever the tensor's size: counts by context, entropy models. */
const CODEC_TABLES = 320 * 1024

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
  switch (node.kind) {
    case 'zero':
      return 0
    case 'weights':
      return 2 * sizesOf(spec, chunkElements).own
    case 'delta': {
      const { codec, parameters } = node.source.tensors.get(spec.name)!
      return codecMemory(codecs.get(codec), 'read', spec, parameters)
    }
    case 'operator':
      return node.inputs.reduce(
        (sum, input) => sum + streamMemory(input, spec, chunkElements, codecs),
        operatorMemory(node, spec, chunkElements, codecs),
      )
  }
}

function operatorMemory(
  node: OperatorStep,
  spec: TensorSpec,
  chunkElements: number,
  codecs: Registry<Codec>,
): number {
  const { inputs, operator, parameters, scratch, statistic, unit } = node
  const elements = elementsOf(spec.shape)
  const chunk = Math.min(chunkElements, elements)
  const part = partElements(unit, spec, chunk)
  const tables = statistic === undefined ? 0 : inputs.length * region(tableBytes(statistic, spec))
  const windows = inputs.length * region(windowElements(elements, chunk, part) * 4)
  // Whole tensors are what goes through a codec, there and back.
  const both = unit === 'tensor' ? 2 * blocksMemory(spec) : 0
  const besides = operator.memory?.(spec, parameters, codecs)
  const regions = besides === undefined ? 0 : besides + OWN_REGIONS * REGION_SLACK
  const own = tables + windows + scratch * region(part * 4) + both + regions
  if (part === chunk) return own
  // The result in parts, and a reader of the base.
  const result = region(windowElements(elements, part, chunk) * 4)
  return own + result + 2 * sizesOf(spec, chunkElements).own
}

/** The most bytes of the kernels' memory that a codec takes while it encodes or reads a tensor. */
export function codecMemory(
  codec: Codec,
  use: 'encode' | 'read',
  spec: TensorSpec,
  parameters: ParameterValues,
): number {
  return blocksMemory(spec) + (codec.memory?.(use, spec, parameters) ?? 0)
}

function blocksMemory({ shape }: TensorSpec): number {
  return CODEC_BLOCKS * region(Math.min(BLOCK_ELEMENTS, elementsOf(shape)) * 4) + CODEC_TABLES
}

function sizesOf({ shape, dtype }: TensorSpec, chunkElements: number) {
  const chunk = Math.min(chunkElements, elementsOf(shape))
  return { f32: region(chunk * 4), own: region(chunk * dtypeBytes[dtype]) }
}

function region(bytes: number): number {
  return bytes + REGION_SLACK
}
