import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openDeltas } from '../../src/recipes/open-deltas.ts'
import { type Plan, planRecipe } from '../../src/recipes/plan/plan.ts'
import type { Recipe } from '../../src/recipes/recipe.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'

/**
 * A base and two fine-tunes in memory: a matrix of three blocks and a small one inside layers, a norm
 * outside, an integer and a tensor without elements. `b` has a third of its deltas from `a`.
 */
export const entries = { operators: await loadOperators(), codecs: await loadCodecs() }

const kernels = openKernels()

export const leaves = { base: leafOf('base'), a: leafOf('a'), b: leafOf('b') }

const checkpoints = new Map<string, Checkpoint>(
  Object.keys(leaves).map((name) => [leafOf(name).weights.toString(), createModel(name)]),
)

export function recipeFor(root: DraftNode): Recipe {
  return recipeOf({ base: leaves.base.weights, root }, entries)
}

export function planFor(root: DraftNode, chunkElements = BLOCK_ELEMENTS): Promise<Plan> {
  const sources = {
    delta: () => Promise.reject(new Error('no deltas here')),
    weights: async (id: { toString(): string }) => checkpoints.get(id.toString())!,
  }
  return planRecipe(recipeFor(root), sources, { ...entries, kernels, chunkElements })
}

/** All values of a delta's tensor. */
export async function valuesOf(plan: Plan, name: string): Promise<Float32Array> {
  const values = new Float32Array(elementsOf(plan.base.tensors.get(name)!.shape))
  const tensor = (await openDeltas(plan)).tensor(name)
  for await (const { from, count, delta } of tensor.chunks()) {
    values.set(delta.f32.subarray(0, count), from)
  }
  return values
}

/** Σ x·y in f64, in the plainest way. */
export function dot(x: Float32Array, y: Float32Array): number {
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0)
}

export function minus(x: Float32Array, y: Float32Array): Float32Array {
  return x.map((value, i) => value - y[i]!)
}

function leafOf(name: string) {
  return { weights: cidOfValue({ small: name }) }
}

function createModel(name: string): Checkpoint {
  const values = (tensor: string, count: number): Float32Array => {
    const base = createRandom(tensor, 'base')
    const own = createRandom(tensor, name)
    const shared = createRandom(tensor, 'a')
    const draw = (random: typeof base): number => random.word() / 2 ** 32 - 0.5
    return Float32Array.from({ length: count }, (_, i) => {
      const [weight, delta, twin] = [draw(base), draw(own), draw(shared)]
      return name === 'base' ? weight : weight + (i % 3 === 0 ? twin : delta) / 8
    })
  }
  const large = 2 * BLOCK_ELEMENTS + 10
  return memoryCheckpoint({
    'layers.0.weight': ['F32', [large, 1], values('large', large)],
    'layers.1.weight': ['F32', [40, 5], values('small', 200)],
    'norm.weight': ['F32', [7], values('norm', 7)],
    steps: ['I64', [1], BigInt64Array.of(5n)],
    unused: ['F32', [0, 3], new Float32Array(0)],
  })
}
