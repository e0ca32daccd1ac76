import {
  assignedPeers,
  type CID,
  InvalidInputError,
  openVariant,
  planRecipe,
  quantiseLoss,
  readModel,
  type Recipe,
  shortId,
} from '../../src/index.ts'
import type { Score } from '../../protocol/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import type { OpenSuite } from '../suites.ts'

export interface MeasureRequest {
  /** Ids of deltas or recipes. */
  readonly subjects: readonly CID[]
  readonly suite: OpenSuite
  /**
   * Without it every shard is measured here. With it only those that fall to this node: each shard of
   * each variant goes to `copies` of `peers` (and this node), which all of them work out alone.
   */
  readonly share?: { readonly peers: readonly string[]; readonly copies: number }
}

export interface Measured {
  /** Variant ids in the order of the subjects. */
  readonly variants: readonly CID[]
  /** Shards measured now, and those that this node had measured before. */
  readonly measured: number
  readonly known: number
}

/** Measures variants on a suite and signs what came out, shard by shard; finished shards are kept. */
export async function measure(
  node: SwarmNode,
  { subjects, suite, share }: MeasureRequest,
  options: JobOptions,
): Promise<Measured> {
  const { engine, library, author } = node
  const { evaluator, runtime } = await engine.evaluator()
  const done = await ownShards(node, suite)
  const variants: CID[] = []
  let measured = 0
  let known = 0
  for (const [i, subject] of subjects.entries()) {
    const recipe = await library.recipe(subject, options)
    const id = await library.keep(recipe)
    variants.push(id)
    const mine = suite.shards.filter(({ index }) => isMine(node, share, id, suite, index))
    const open = mine.filter(({ index }) => !done.has(`${id.toString()} ${index}`))
    known += mine.length - open.length
    if (open.length === 0) continue
    const model = readModel(engine.architectures, await configOf(node, recipe))
    const variant = await openVariant(await planRecipe(recipe, library.sources, engine))
    const scores: Score[] = []
    const request = { root: suite.root, shards: open }
    for await (const result of evaluator.measure(model, request, [variant], {
      signal: options.signal,
      onProgress: ({ run, runs }) =>
        options.onProgress({
          phase: 'measuring',
          done: i * runs + run,
          total: subjects.length * runs,
          detail: shortId(id),
        }),
    })) {
      scores.push({
        variant: id,
        suite: suite.id,
        shard: result.shard,
        values:
          suite.root.metric === 'loss' ? [...result.losses].map(quantiseLoss) : [...result.correct],
        engine: runtime.description,
        device: 'cpu',
      })
    }
    await author.score(scores)
    measured += scores.length
  }
  return { variants, measured, known }
}

function isMine(
  node: SwarmNode,
  share: MeasureRequest['share'],
  variant: CID,
  suite: OpenSuite,
  shard: number,
): boolean {
  if (share === undefined) return true
  const peers = [...share.peers, node.peer]
  const assigned = assignedPeers({
    variant: variant.toString(),
    suite: suite.id.toString(),
    shard,
    peers,
    copies: share.copies,
  })
  return assigned.includes(node.peer)
}

/** What this node has signed already: a score is never computed twice. */
async function ownShards(node: SwarmNode, suite: OpenSuite): Promise<ReadonlySet<string>> {
  const own = Buffer.from(node.key.publicKey.raw)
  const scores = await node.store.records.scores(suite.id)
  return new Set(
    scores
      .filter(({ record }) => own.equals(record.author) && record.body.values.length > 0)
      .map(({ record: { body } }) => `${body.variant.toString()} ${body.shard}`),
  )
}

async function configOf(node: SwarmNode, recipe: Recipe): Promise<unknown> {
  const { folder, path } = await node.bases.open(recipe.base)
  if (folder.config !== undefined) return folder.config
  throw new InvalidInputError(
    'E_NO_CONFIG',
    `the base ${shortId(recipe.base)} has no config.json`,
    {
      expected: 'config.json beside the weights',
      actual: path,
      fix: 'put the model’s config.json into this folder',
    },
  )
}
