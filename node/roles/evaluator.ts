import {
  assignedPeers,
  type CID,
  InvalidInputError,
  openVariant,
  planRecipe,
  quantiseLoss,
  readModel,
  type Recipe,
  recipeId,
  recipeOf,
  referencesOf,
  shortId,
} from '../../src/index.ts'
import type { DeviceWish } from '../config.ts'
import type { Score } from '../../protocol/index.ts'
import type { RunningEvaluator } from '../engine.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import type { OpenSuite } from '../suites.ts'
import { announceMeasured } from './announcer.ts'

export interface MeasureRequest {
  /** Ids of deltas or recipes. */
  readonly subjects: readonly CID[]
  readonly suite: OpenSuite
  /** Where to measure; the node's own wish without it. */
  readonly device?: DeviceWish | undefined
  /**
   * Without it every shard is measured here. With it only those that fall to this node: each shard
   * of each variant goes to `copies` of `peers` (and this node), which all of them work out alone.
   */
  readonly share?: { readonly peers: readonly string[]; readonly copies: number }
}

export interface Measured {
  /** Variant ids in the order of the subjects. */
  readonly variants: readonly CID[]
  /** Shards measured now, and those that this node had measured before. */
  readonly measured: number
  readonly known: number
  /** What peers had not been told of before; deltas and recipes. */
  readonly announced: readonly CID[]
  /**
   * The device that measured and why it was chosen, in one line; without it nothing was measured.
   */
  readonly engine?: string
}

/** A variant with the shards that are still to be measured here. */
interface Task {
  readonly id: CID
  readonly recipe: Recipe
  readonly open: OpenSuite['shards']
}

/** Variants that go through the layers together; each holds its hidden states meanwhile. */
const GROUP_VARIANTS = 16

/**
 * Measures variants on a suite and signs what came out. Variants of one base with the same open
 * shards go through the model together, layer by layer. What is signed is kept: the next call goes
 * on there. Peers are told of each variant before they get a score of it.
 */
export async function measure(
  node: SwarmNode,
  { subjects, suite, device, share }: MeasureRequest,
  options: JobOptions,
): Promise<Measured> {
  const done = await ownShards(node, suite)
  const variants: CID[] = []
  const seen = new Set<string>()
  const tasks: Task[] = []
  let known = 0
  for (const subject of subjects) {
    const recipe = await node.library.recipe(subject, options)
    const id = await node.library.keep(recipe)
    variants.push(id)
    if (seen.has(id.toString())) continue
    seen.add(id.toString())
    const mine = suite.shards.filter(({ index }) => isMine(node, share, id, suite, index))
    const open = mine.filter(({ index }) => !done.has(`${id.toString()} ${index}`))
    known += mine.length - open.length
    if (open.length > 0) tasks.push({ id, recipe, open })
  }
  if (tasks.length === 0) return { variants, measured: 0, known, announced: [] }
  const running = await node.engine.evaluator(device)
  const groups = groupTasks(tasks)
  const announced: CID[] = []
  let measured = 0
  for (const [i, group] of groups.entries()) {
    const scores = await measureGroup(node, running, suite, group, {
      signal: options.signal,
      onProgress: (done, total) =>
        options.onProgress({
          phase: 'measuring',
          done: i * total + done,
          total: groups.length * total,
          detail: group.map(({ id }) => shortId(id)).join(', '),
        }),
    })
    const recipes = group.map(({ recipe }) => recipe)
    announced.push(...(await announceMeasured(node, recipes)))
    await node.author.score(scores)
    measured += scores.length
  }
  return { variants, measured, known, announced, engine: running.device.line }
}

/**
 * The variants that the subjects are judged against, and their bases, which the margin of the
 * judgement needs; those that are among the subjects left out.
 */
export async function referencesOfAll(
  node: SwarmNode,
  subjects: readonly CID[],
  options: JobOptions,
): Promise<readonly CID[]> {
  const own = new Set<string>()
  const found = new Map<string, CID>()
  for (const subject of subjects) {
    const recipe = await node.library.recipe(subject, options)
    own.add(recipeId(recipe).toString())
    const base = recipeOf({ base: recipe.base, root: { weights: recipe.base } }, node.engine)
    for (const reference of [...referencesOf(recipe, node.engine), base]) {
      const id = await node.library.keep(reference)
      found.set(id.toString(), id)
    }
  }
  return [...found.values()].filter((id) => !own.has(id.toString()))
}

/** Tasks of one base and the same shards, in lists of at most `GROUP_VARIANTS`. */
function groupTasks(tasks: readonly Task[]): Task[][] {
  const alike = Map.groupBy(tasks, ({ recipe, open }) =>
    [recipe.base.toString(), ...open.map(({ index }) => index)].join(' '),
  )
  return [...alike.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / GROUP_VARIANTS) }, (_, i) =>
      group.slice(i * GROUP_VARIANTS, (i + 1) * GROUP_VARIANTS),
    ),
  )
}

async function measureGroup(
  node: SwarmNode,
  { evaluator, runtime }: RunningEvaluator,
  suite: OpenSuite,
  group: readonly Task[],
  {
    signal,
    onProgress,
  }: { signal: AbortSignal; onProgress: (done: number, total: number) => void },
): Promise<Score[]> {
  const { engine, library } = node
  const [{ recipe, open }] = group as [Task]
  const model = readModel(engine.architectures, await configOf(node, recipe))
  const variants = []
  for (const task of group) {
    variants.push(await openVariant(await planRecipe(task.recipe, library.sources, engine)))
  }
  const { metric } = suite.root
  const scores: Score[] = []
  for await (const result of evaluator.measure(
    model,
    { root: suite.root, shards: open },
    variants,
    {
      signal,
      onProgress: ({ run, runs }) => onProgress(run, runs),
    },
  )) {
    scores.push({
      variant: group[result.variant]!.id,
      suite: suite.id,
      shard: result.shard,
      values: metric === 'loss' ? [...result.losses].map(quantiseLoss) : [...result.correct],
      engine: runtime.description,
      device: runtime.device === 'cpu' ? 'cpu' : 'gpu',
    })
  }
  return scores
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
