import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import type { DeviceScope } from '../../src/graphs/device-scope.ts'
import { loadOperators, type Mode, type Operator } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { planRecipe } from '../../src/recipes/plan/plan.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }

/** An odd number of rows, and more elements than a chunk; half its values repeat, so that ties are cut. */
const shapes = { 'layers.0.weight': [653, 103], 'layers.1.weight': [1, 7] } as const

/** Smaller magnitudes may become 0 on a device. */
const LEAST_NORMAL = 2 ** -126

export interface GraphCase {
  readonly mode?: Mode
  readonly parameters: Readonly<Record<string, unknown>>
}

/**
 * What every operator with a graph promises: on a device its variants have the bits that the kernels
 * give them, but for results that a flushed denormal touched.
 */
export function operatorGraphContract(
  operator: Operator,
  cases: readonly GraphCase[],
  { kernels, device }: { readonly kernels: Kernels; device(): DeviceScope },
): void {
  for (const { mode = 'paper', parameters } of cases) {
    it(`gives the kernels' weights in mode ${mode} with ${JSON.stringify(parameters)}`, async () => {
      const inputs = operator.kind === 'edit' ? 1 : 3
      const models = ['base', 'a', 'b', 'c'].slice(0, inputs + 1).map(createModel)
      const ids = models.map((_, i) => cidOfValue({ test: i }))
      const weights = new Map(ids.map((id, i) => [id.toString(), models[i]!]))
      const leaves = ids.slice(1).map((id) => ({ weights: id }))
      const root = { operator: operator.id, parameters, inputs: leaves }
      const plan = await planRecipe(
        recipeOf({ base: ids[0]!, root, mode }, entries),
        {
          weights: async (id) => weights.get(id.toString())!,
          delta: () => Promise.reject(new Error('there is none')),
        },
        { ...entries, kernels, chunkElements: BLOCK_ELEMENTS },
      )
      const variant = await openVariant(plan)
      for (const [name, shape] of Object.entries(shapes)) {
        const size = elementsOf(shape)
        const [expected, actual] = [kernels.allocate(4 * size), kernels.allocate(4 * size)]
        await variant.load(name, expected)
        const tensor = await variant.loadOn!(device(), name)
        assert.ok(tensor !== undefined, 'no graph was used')
        await device().download(tensor, actual)
        await tensor.release()
        assertAlike(actual.f32.subarray(0, size), expected.f32.subarray(0, size))
        kernels.release(expected)
        kernels.release(actual)
      }
      assert.equal(kernels.allocated, 0, 'memory is kept')
    })
  }
}

function createModel(name: string) {
  const tensors = Object.entries(shapes).map(([tensor, shape]) => {
    const { word } = createRandom('operator graph', name, tensor)
    const values = Float32Array.from({ length: elementsOf(shape) }, (_, i) => {
      // Nothing is added to the large tensor, so that no rounding hides a difference.
      if (name === 'base' && tensor === 'layers.0.weight') return 0
      if (i % 97 === 0) return i % 2 === 0 ? 0 : -0
      if (i % 101 === 0) return 1e-40
      const draw = word()
      return i % 2 === 0 ? ((draw % 33) - 16) / 256 : (draw / 2 ** 32 - 0.5) / 8
    })
    return [tensor, ['F32', shape, values]] as const
  })
  return memoryCheckpoint(Object.fromEntries(tensors))
}

function assertAlike(actual: Float32Array, expected: Float32Array): void {
  const tiny = (value: number): boolean => Math.abs(value) < LEAST_NORMAL
  for (const [i, value] of expected.entries()) {
    const same = Object.is(actual[i]!, value) || (tiny(actual[i]!) && tiny(value))
    assert.ok(same, `element ${i}: ${actual[i]} instead of ${value}`)
  }
}
