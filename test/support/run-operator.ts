import assert from 'node:assert/strict'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import type { Kernels, Region } from '../../src/compute/kernels.ts'
import { createProducts } from '../../src/compute/matrix/products.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Mode, Operator } from '../../src/operators/index.ts'
import { tableBytes } from '../../src/operators/statistics/statistic.ts'
import { checkParameters } from '../../src/parameters.ts'
import { partElements } from '../../src/recipes/plan/part-elements.ts'
import type { Registry } from '../../src/registry.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'

/** One input: its tensors by name. */
export type Delta = Readonly<Record<string, Float32Array>>

export interface RunOptions {
  readonly mode?: Mode
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly chunkBlocks?: number
  /** One dimension unless given. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>
  /** Kernels of its own unless given. */
  readonly kernels?: Kernels
}

let loaded: Registry<Codec> | undefined

/**
 * Runs an operator over whole inputs in the plainest way, without the planner: gathers its
 * statistic, maps chunk by chunk, and checks that inputs stay as they were and memory comes back.
 */
export async function runOperator(
  operator: Operator,
  inputs: readonly Delta[],
  options: RunOptions = {},
): Promise<Record<string, Float32Array>> {
  const codecs = (loaded ??= await loadCodecs())
  const { mode = 'paper', parameters: given = {}, chunkBlocks = 16, shapes = {} } = options
  const { kernels = openKernels() } = options
  const table = operator.parametersFor?.(given, codecs) ?? operator.parameters
  const filled = { ...operator.defaults?.[mode], ...given }
  const parameters = checkParameters(operator.id, table, filled) as never
  operator.check?.(parameters)
  const specs = Object.entries(inputs[0]!).map(([name, { length }]): TensorSpec => ({
    name,
    dtype: 'F32',
    shape: shapes[name] ?? [length],
  }))
  const unit = operator.unit?.(parameters, mode) ?? 'elements'
  const partOf = (spec: TensorSpec): number =>
    partElements(unit, spec, chunkBlocks * BLOCK_ELEMENTS)
  const scratchOf = (tensors: readonly TensorSpec[]): Region[] => {
    const part = Math.max(...tensors.map(partOf))
    return Array.from({ length: operator.scratch?.(inputs.length, mode, parameters) ?? 0 }, () =>
      kernels.allocate(part * 4),
    )
  }
  const statistic = operator.statistic?.(parameters, mode)

  function gather(tensors: readonly TensorSpec[]): unknown {
    if (statistic === undefined) return undefined
    const scratch = scratchOf(tensors)
    const elements = tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
    const table = Math.max(...tensors.map((spec) => tableBytes(statistic, spec)))
    const tables = inputs.map(() => kernels.allocate(table))
    const fold = statistic.start({ kernels, inputs: inputs.length, elements, scratch, tables })
    for (let pass = 0; pass < statistic.passes; pass++) {
      for (const spec of tensors) {
        for (const { from, count, regions, free } of partsOf(spec)) {
          fold.scan(pass, spec, regions, from, count)
          free()
        }
      }
      fold.endPass(pass)
    }
    for (const region of [...scratch, ...tables]) kernels.release(region)
    return fold.value()
  }

  function* partsOf(spec: TensorSpec) {
    const { name, shape } = spec
    const [elements, part] = [elementsOf(shape), partOf(spec)]
    for (let from = 0; from < elements; from += part) {
      const count = Math.min(part, elements - from)
      const values = inputs.map((input) => input[name]!.subarray(from, from + count))
      const regions = values.map((value) => fill(kernels, value))
      const free = (): void => {
        for (const [i, region] of regions.entries()) {
          const left = Buffer.from(region.u8.subarray(0, count * 4))
          assert.ok(left.equals(Buffer.from(bits(values[i]!).buffer)), 'input changed')
          kernels.release(region)
        }
      }
      yield { from, count, regions, free }
    }
  }

  const shared = statistic?.scope === 'all' ? gather(specs) : undefined
  const results: Record<string, Float32Array> = {}
  for (const spec of specs) {
    const { name, shape } = spec
    const scratch = scratchOf([spec])
    const map = operator.open({
      kernels,
      codecs,
      mode,
      parameters,
      spec,
      inputs: inputs.length,
      statistic: statistic?.scope === 'tensor' ? gather([spec]) : shared,
      scratch,
      products: (_matrix, lease) => createProducts(kernels, lease),
    })
    const result = new Float32Array(elementsOf(shape))
    for (const { from, count, regions, free } of partsOf(spec)) {
      const out = kernels.allocate(count * 4)
      await map(regions, out, from, count)
      result.set(out.f32.subarray(0, count), from)
      kernels.release(out)
      free()
    }
    for (const region of scratch) kernels.release(region)
    results[name] = result
  }
  assert.equal(kernels.allocated, 0, 'memory is kept')
  return results
}

/** The same for one tensor. */
export async function runOnTensor(
  operator: Operator,
  inputs: readonly (Float32Array | readonly number[])[],
  options: RunOptions & { readonly name?: string; readonly shape?: readonly number[] } = {},
): Promise<Float32Array> {
  const { name = 'layers.0.weight', shape, ...rest } = options
  const deltas = inputs.map((values) => ({ [name]: Float32Array.from(values) }))
  const shapes = shape === undefined ? {} : { [name]: shape }
  return (await runOperator(operator, deltas, { ...rest, shapes }))[name]!
}

/** Bit patterns, so that ±0 and NaN compare as bytes do. */
export function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer)
}

function fill(kernels: Kernels, values: Float32Array): Region {
  const region = kernels.allocate(values.length * 4)
  region.f32.set(values)
  return region
}
