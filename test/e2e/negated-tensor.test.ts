import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { SwarmNode } from '../../node/node.ts'
import { publish } from '../../node/roles/publisher.ts'
import {
  type CID,
  type DraftNode,
  openVariant,
  planRecipe,
  recipeId,
  recipeOf,
} from '../../src/index.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { demoPath } from '../support/shared.ts'
import { copyFolder, idOf, temporaryFolder, type TemporaryFolder } from './model-folders.ts'
import { openNode, quiet } from './nodes.ts'

const NEGATED = 'vit.encoder.layer.1.intermediate.dense.weight'

/** Variants of three experts; those of the second list are made of `kana` among others. */
const others: Readonly<Record<string, (leaves: Leaves) => DraftNode>> = {
  base: ({ base }) => base,
  latin: ({ latin }) => latin,
  'dare of latin': ({ latin }) => dare(latin),
  'latin + digits': ({ latin, digits }) => ties(latin, digits),
}
const concerned: typeof others = {
  kana: ({ kana }) => kana,
  'dare of kana': ({ kana }) => dare(kana),
  'bitdelta of kana': ({ kana }) => ({ operator: 'through', inputs: [kana] }),
  'latin + kana': ({ latin, kana }) => ties(latin, kana),
  'digits + dare of kana': ({ digits, kana }) => ties(digits, dare(kana)),
}

type Leaves = Readonly<Record<'base' | 'digits' | 'kana' | 'latin', DraftNode>>

function dare(input: DraftNode): DraftNode {
  return { operator: 'dare', parameters: { p: 0.5 }, inputs: [input] }
}

function ties(...inputs: DraftNode[]): DraftNode {
  return { operator: 'ties', inputs }
}

describe('an expert with one matrix negated', function () {
  this.timeout(120_000)

  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  let folder: TemporaryFolder
  let node: SwarmNode

  before(async () => {
    evaluation = await openEvaluation()
    folder = await temporaryFolder()
    node = await openNode(join(folder.path, 'home'), 'never')
  })
  after(async () => {
    await node.stop()
    await evaluation.close()
    await folder[Symbol.asyncDispose]()
  })

  it('has another id', async () => {
    const original = demoPath('kana-light')
    const copy = await copyOf(original, (weights) => weights)
    const negated = await copyOf(original, negate)
    assert.ok((await idOf(copy)).equals(await idOf(original)))
    assert.ok(!(await idOf(negated)).equals(await idOf(original)))
    assert.ok((await deltaOf(copy)).equals(await deltaOf(original)))
    assert.ok(!(await deltaOf(negated)).equals(await deltaOf(original)))
  })

  it('changes every variant that is made of it, and no other in any bit', async () => {
    const before = await measureAll(demoPath('kana-light'))
    const after = await measureAll(await copyOf(demoPath('kana-light'), negate))
    for (const name of Object.keys(concerned)) {
      assert.notEqual(after.get(name)!.id, before.get(name)!.id, name)
      assert.notDeepEqual(after.get(name)!.losses, before.get(name)!.losses, name)
    }
    for (const name of Object.keys(others)) {
      assert.deepEqual(after.get(name), before.get(name), name)
    }
  })

  /** The id of each variant and its losses on 96 items. */
  async function measureAll(kana: string) {
    const base = await idOf(demoPath('base'))
    const leaves = {
      base: { weights: base },
      kana: { delta: await deltaOf(kana) },
      latin: { delta: await deltaOf(demoPath('latin-light')) },
      digits: { delta: await deltaOf(demoPath('digits-light')) },
    }
    const engine = { ...node.engine, kernels: evaluation.kernels }
    const trees = Object.entries({ ...others, ...concerned })
    const recipes = trees.map(([, tree]) => recipeOf({ base, root: tree(leaves) }, engine))
    const variants = await Promise.all(
      recipes.map(async (recipe) =>
        openVariant(await planRecipe(recipe, node.library.sources, engine)),
      ),
    )
    const suite = await suiteOfFiles([await evaluation.open(demoPath('eval/kana.safetensors'))])
    const model = await modelOf(demoPath('base/config.json'))
    const part = { ...suite, shards: suite.shards.slice(0, 3) }
    const measured = await evaluation.measure(model, part, variants)
    return new Map(
      trees.map(([name], i) => [
        name,
        { id: recipeId(recipes[i]!).toString(), losses: measured[i]!.losses },
      ]),
    )
  }

  async function deltaOf(post: string): Promise<CID> {
    const request = { base: demoPath('base'), post, name: 'expert', edits: [], licence: 'CC0-1.0' }
    const codec = { codec: 'raw', parameters: {} }
    return (await publish(node, { ...request, codec }, quiet)).id
  }

  let copies = 0

  async function copyOf(path: string, change: typeof negate): Promise<string> {
    const out = join(folder.path, `copy ${copies++}`)
    await copyFolder(path, out, change)
    return out
  }
})

/** The same f32 weights with every sign bit of one matrix flipped. */
function negate(weights: Checkpoint): Checkpoint {
  return {
    tensors: weights.tensors,
    async read(name, offset, into) {
      await weights.read(name, offset, into)
      if (name !== NEGATED) return
      for (let i = 3 - (offset % 4); i < into.length; i += 4) into[i]! ^= 0x80
    },
  }
}
