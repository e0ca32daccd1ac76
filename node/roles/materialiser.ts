import {
  type CID,
  compareNames,
  leavesOf,
  openDeltas,
  planRecipe,
  type Recipe,
  tiedCopies,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import type { CodecRequest, OpenCodec } from './codec.ts'
import { type EncodedDelta, encodeDelta } from './delta-encoding.ts'

export interface MaterialiseRequest {
  readonly recipe: Recipe
  readonly name: string
  readonly codec: OpenCodec
  /** The tensors to encode. @default all that the recipe changes */
  readonly only?: ReadonlySet<string>
}

/**
 * `raw` keeps the weights that the recipe writes, bit for bit, so that a materialised variant
 * measures as its recipe does; what an edit made zero costs little in it.
 */
export const MATERIALISE_CODEC: CodecRequest = { codec: 'raw', parameters: {} }

/**
 * Encodes what a recipe denotes as a delta of its own, whose parents are the deltas that the recipe
 * names. Where `dryRun` is set nothing is stored. Its licence is theirs when they agree on one.
 */
export async function materialise(
  node: SwarmNode,
  { recipe, name, codec, only }: MaterialiseRequest,
  options: JobOptions & { readonly dryRun: boolean },
): Promise<EncodedDelta> {
  const { engine, library, bases } = node
  const plan = await planRecipe(recipe, library.sources, engine)
  const copies = await tiedCopies(plan, options.signal)
  const specs = plan.changed
    .filter((tensor) => !copies.has(tensor) && (only === undefined || only.has(tensor)))
    .map((tensor) => plan.base.tensors.get(tensor)!)
    .toSorted((a, b) => compareNames(a.name, b.name))
  const deltas = await openDeltas(plan, { signal: options.signal })
  const parents = leavesOf(recipe).deltas
  return encodeDelta(
    node,
    {
      specs,
      codec,
      tensor: (spec) => deltas.tensor(spec.name),
    },
    async () => ({
      base: recipe.base,
      architecture: (await bases.open(recipe.base)).folder.architecture ?? 'unknown',
      author: node.peer,
      name,
      licence: await commonLicence(node, parents),
      parents: [...parents],
    }),
    options,
  )
}

async function commonLicence({ library }: SwarmNode, deltas: readonly CID[]): Promise<string> {
  const licences = new Set<string>()
  for (const id of deltas) licences.add((await library.sources.delta(id)).root.licence)
  const [only] = licences
  return licences.size === 1 ? only! : 'NOASSERTION'
}
