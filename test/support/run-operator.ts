import assert from 'node:assert/strict'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import type { Kernels, Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Mode, Operator } from '../../src/operators/index.ts'
import { checkParameters } from '../../src/parameters.ts'
import type { Registry } from '../../src/registry.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'

/** One input: its tensors by name. */
export type Delta = Readonly<Record<string, Float32Array>>

export interface RunOptions {
  readonly mode?: Mode
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly chunkBlocks?: number
  /** Of every tensor; one dimension unless given. */
  readonly shape?: readonly number[]
}

let loaded: Registry<Codec> | undefined

/**
 * Runs an operator over whole inputs in the plainest way, without the planner: gathers its
 * statistic, maps chunk by chunk, and checks that inputs stay as they were and memory comes back.
 */
export async function runOperator(
  operator: Operator,
  inputs: readonly Delta[],
  { mode = 'paper', parameters: given = {}, chunkBlocks = 16, shape }: RunOptions = {},
): Promise<Record<string, Float32Array>> {
  const codecs = (loaded ??= await loadCodecs())
  const kernels = openKernels()
  const table = operator.parametersFor?.(given, codecs) ?? operator.parameters
  const filled = { ...operator.defaults?.[mode], ...given }
  const parameters = checkParameters(operator.id, table, filled) as never
  const names = Object.keys(inputs[0]!)
  const sizeOf = (name: string): number => inputs[0]![name]!.length
  const chunk = operator.whole === true ? Infinity : chunkBlocks * BLOCK_ELEMENTS
  const scratchOf = (size: number): Region[] =>
    Array.from({ length: operator.scratch?.(inputs.length, mode) ?? 0 }, () =>
      kernels.allocate(Math.min(chunk, size) * 4),
    )
  const statistic = operator.statistic?.(parameters, mode)

  function gather(tensors: readonly string[]): unknown {
    if (statistic === undefined) return undefined
    const scratch = scratchOf(Math.max(...tensors.map(sizeOf)))
    const elements = tensors.reduce((sum, name) => sum + sizeOf(name), 0)
    const { table = 0 } = statistic
    const tables = inputs.map(() => kernels.allocate(table))
    const fold = statistic.start({ kernels, inputs: inputs.length, elements, scratch, tables })
    for (let pass = 0; pass < statistic.passes; pass++) {
      for (const name of tensors) {
        for (const { from, count, regions, free } of chunksOf(name)) {
          fold.scan(pass, name, regions, from, count)
          free()
        }
      }
      fold.endPass(pass)
    }
    for (const region of [...scratch, ...tables]) kernels.release(region)
    return fold.value()
  }

  function* chunksOf(name: string) {
    for (let from = 0; from < sizeOf(name); from += chunk) {
      const count = Math.min(chunk, sizeOf(name) - from)
      const values = inputs.map((input) => input[name]!.subarray(from, from + count))
      const regions = values.map((value) => fill(kernels, value))
      const free = (): void => {
        for (const [i, region] of regions.entries()) {
          assert.deepEqual(bits(region.f32.subarray(0, count)), bits(values[i]!), 'input changed')
          kernels.release(region)
        }
      }
      yield { from, count, regions, free }
      if (chunk === Infinity) return
    }
  }

  const shared = statistic?.scope === 'all' ? gather(names) : undefined
  const results: Record<string, Float32Array> = {}
  for (const name of names) {
    const scratch = scratchOf(sizeOf(name))
    const map = operator.open({
      kernels,
      codecs,
      mode,
      parameters,
      spec: { name, dtype: 'F32', shape: shape ?? [sizeOf(name)] },
      inputs: inputs.length,
      statistic: statistic?.scope === 'tensor' ? gather([name]) : shared,
      scratch,
    })
    const result = new Float32Array(sizeOf(name))
    for (const { from, count, regions, free } of chunksOf(name)) {
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
  options?: RunOptions & { readonly name?: string },
): Promise<Float32Array> {
  const name = options?.name ?? 'layers.0.weight'
  const deltas = inputs.map((values) => ({ [name]: Float32Array.from(values) }))
  return (await runOperator(operator, deltas, options))[name]!
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
