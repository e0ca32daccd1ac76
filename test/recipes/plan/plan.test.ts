import assert from 'node:assert/strict'
import { cidOfValue, type CID } from '../../../src/canonical.ts'
import { loadCodecs } from '../../../src/codecs/index.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import { DeltaswarmError, NotFoundError } from '../../../src/errors.ts'
import { loadOperators } from '../../../src/operators/index.ts'
import {
  type DraftNode,
  type RecipeDraft,
  recipeOf,
} from '../../../src/recipes/canonical-recipe.ts'
import {
  type Plan,
  type PlanContext,
  planRecipe,
  type Sources,
} from '../../../src/recipes/plan/plan.ts'
import type { Recipe } from '../../../src/recipes/recipe.ts'
import { BLOCK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import type { Checkpoint } from '../../../src/tensors/checkpoint.ts'
import type { DType } from '../../../src/tensors/dtype.ts'
import { memoryCheckpoint } from '../../checkpoints/memory.ts'
import { memoryDelta } from '../memory-delta.ts'

const kernels = openKernels()
const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
const context: PlanContext = { ...entries, kernels }
const idOf = (name: string): CID => cidOfValue({ test: name })

const [norm, matrix] = ['norm.weight', 'layers.0.weight']

function model(value: number, dtype: DType = 'F32', rows = 4): Checkpoint {
  const values = dtype === 'F32' ? Float32Array : Uint16Array
  return memoryCheckpoint({
    [norm]: [dtype, [4], new values(4).fill(value)],
    [matrix]: [dtype, [rows, 2], new values(rows * 2).fill(value)],
    steps: ['I64', [1], new BigInt64Array(1)],
  })
}

const models: Record<string, Checkpoint> = {
  base: model(1),
  post: model(2),
  half: model(0, 'BF16'),
  wide: model(2, 'F32', 5),
}
const { source } = await memoryDelta(models.base!, models.post!, { base: idOf('base') }, context)
const sources: Sources = {
  async delta(id) {
    if (id.equals(idOf('delta'))) return source
    if (id.equals(idOf('elsewhere')))
      return { ...source, root: { ...source.root, base: idOf('half') } }
    if (id.equals(idOf('stranger')))
      return { ...source, root: { ...source.root, base: idOf('none') } }
    throw new NotFoundError('E_NOT_FOUND', `no ${id.toString()}`)
  },
  async weights(id) {
    const name = Object.keys(models).find((known) => idOf(known).equals(id))
    if (name !== undefined) return models[name]!
    throw new NotFoundError('E_NOT_FOUND', `no ${id.toString()}`)
  },
}

const delta = (name = 'delta'): DraftNode => ({ delta: idOf(name) })
const plan = (root: DraftNode, rest: Partial<PlanContext> = {}): Promise<Plan> =>
  planRecipe(recipeOf({ base: idOf('base'), root }, entries), sources, { ...context, ...rest })

async function problemsOf(work: Promise<unknown>): Promise<[DeltaswarmError, string[]]> {
  const error = await work.then(
    () => assert.fail('no problem was found'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof DeltaswarmError, String(error))
  const all = error.details.problems as { id: string }[] | undefined
  return [error, all?.map(({ id }) => id) ?? [error.id]]
}

describe('planRecipe', () => {
  it('lists tensors in order and which of them change', async () => {
    const { tensors, changed } = await plan(delta())
    assert.deepEqual([...tensors.keys()], [matrix, norm, 'steps'])
    assert.deepEqual(changed, [matrix, norm])
    assert.deepEqual((await plan({ weights: idOf('base') })).changed, [])
  })

  it('counts passes and bytes', async () => {
    const plain = await plan({ weights: idOf('post') })
    assert.equal(plain.passes, 1)
    assert.equal(plain.bytesRead, 2 * (8 + 4) * 4 + 8)
    assert.equal(plain.bytesWritten, (8 + 4) * 4 + 8)
    const inputs = [
      { weights: idOf('post') },
      { operator: 'trim', inputs: [{ weights: idOf('post') }] },
    ]
    const ties = await plan({ operator: 'ties', inputs })
    assert.equal(ties.passes, 5 * 3) // 3 + 1 passes and the result, over trim's own 2 and result
  })

  it('writes weights in the dtype that is asked for', async () => {
    const recipe = recipeOf({ base: idOf('base'), dtype: 'BF16', root: delta() }, entries)
    const { tensors, bytesWritten } = await planRecipe(recipe, sources, context)
    assert.deepEqual(
      [...tensors.values()].map(({ dtype }) => dtype),
      ['BF16', 'BF16', 'I64'],
    )
    assert.equal(bytesWritten, (8 + 4) * 2 + 8)
  })

  it('names both bases when a delta was made over another', async () => {
    const [error] = await problemsOf(plan(delta('stranger')))
    assert.equal(error.id, 'E_BASE_MISMATCH')
    assert.equal(error.expected, idOf('base').toString())
    assert.equal(error.actual, idOf('none').toString())
  })

  it('says when the other base has the same tensors in another dtype', async () => {
    const [error] = await problemsOf(plan(delta('elsewhere')))
    assert.equal(error.id, 'E_BASE_MISMATCH')
    assert.match(error.message, /same tensors in another dtype \(BF16 for F32\)/)
  })

  it('finds every problem at once', async () => {
    const root: DraftNode = {
      operator: 'ties',
      inputs: [
        delta('stranger'),
        delta('lost'),
        { weights: idOf('wide') },
        { weights: idOf('half') },
      ],
    }
    const [error, ids] = await problemsOf(plan(root))
    assert.deepEqual(ids.sort(), [
      'E_BASE_MISMATCH',
      'E_DTYPE_MISMATCH',
      'E_DTYPE_MISMATCH',
      'E_NOT_FOUND',
      'E_SHAPE_MISMATCH',
    ])
    assert.match(error.message, /^5 problems: /)
  })

  it('refuses tensors that the base or the checkpoint lacks', async () => {
    models.other = memoryCheckpoint({ [norm]: ['F32', [4], new Float32Array(4)] })
    const [, ids] = await problemsOf(plan({ weights: idOf('other') }))
    assert.deepEqual(ids, ['E_TENSOR_MISSING', 'E_TENSOR_MISSING'])
  })

  it('refuses unknown operators and recipes in another spelling', async () => {
    const recipe = recipeOf(
      { base: idOf('base'), root: { operator: 'ties', inputs: [delta()] } },
      entries,
    )
    const change = (root: object): Recipe =>
      ({ ...recipe, root: { ...recipe.root, ...root } }) as Recipe
    const [unknown] = await problemsOf(planRecipe(change({ operator: 'tie' }), sources, context))
    assert.equal(unknown.id, 'E_UNKNOWN_OPERATOR')
    const [spelled] = await problemsOf(planRecipe(change({ parameters: {} }), sources, context))
    assert.equal(spelled.id, 'E_RECIPE_SPELLING')
  })

  it('refuses a scope that reaches no tensor of a weight dtype', async () => {
    const edit = (scope: string): DraftNode => ({ operator: 'dare', scope, inputs: [delta()] })
    for (const scope of ['matrice', 'steps', '*.1.*', 'all|!*']) {
      const [error] = await problemsOf(plan(edit(scope)))
      assert.equal(error.id, 'E_EMPTY_SCOPE')
      assert.match(error.message, /^the scope .* of dare reaches no tensor of the base$/)
    }
    assert.deepEqual((await plan(edit('norm*'))).changed, [matrix, norm])
  })

  it('states the memory of rows and of whole tensors', async () => {
    const rows = (over: string): DraftNode => ({
      operator: 'della',
      parameters: { over },
      inputs: [delta()],
    })
    const [chunk, row] = [BLOCK_ELEMENTS * 4, 3 * BLOCK_ELEMENTS * 4]
    models.tall = memoryCheckpoint({
      [matrix]: ['F32', [4, 3 * BLOCK_ELEMENTS], new Float32Array(12 * BLOCK_ELEMENTS)],
    })
    const memoryOf = async (node: DraftNode): Promise<number> => {
      const draft = { base: idOf('tall'), root: { ...node, inputs: [{ weights: idOf('other') }] } }
      models.other = models.tall!
      const options = { ...context, chunkElements: BLOCK_ELEMENTS }
      return (await planRecipe(recipeOf(draft as RecipeDraft, entries), sources, options)).memory
    }
    const chunks = await memoryOf({ operator: 'drop', inputs: [] })
    const [byRow, whole] = [await memoryOf(rows('row')), await memoryOf(rows('tensor'))]
    // Windows of a row and a chunk for input and result, and two rows of scratch.
    assert.ok(Math.abs(byRow - chunks - (4 * row + 2 * chunk + 2 * chunk - chunk)) < chunk / 2)
    assert.ok(whole - chunks > 4 * 4 * row && whole - chunks < 4 * 4 * row + 24 * chunk)
  })

  it('refuses statistics nested so deeply that inputs are read hundreds of times', async () => {
    const nested = (depth: number): DraftNode =>
      depth === 0 ? delta() : { operator: 'trim', inputs: [nested(depth - 1)] }
    assert.equal((await plan(nested(5))).passes, 243)
    const [error] = await problemsOf(plan(nested(6)))
    assert.equal(error.id, 'E_RECIPE_PASSES')
  })

  it('refuses chunks that are no whole blocks', async () => {
    const [error] = await problemsOf(plan(delta(), { chunkElements: BLOCK_ELEMENTS + 1 }))
    assert.equal(error.id, 'E_PARAMETER_RANGE')
  })
})
