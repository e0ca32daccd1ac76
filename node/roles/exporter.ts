import { type CID, openVariant, planRecipe, writeFolder } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

export interface Exported {
  readonly variant: CID
  readonly path: string
  readonly tensors: number
  readonly bytes: number
}

/**
 * Writes the weights of a delta or a recipe as a folder that transformers opens, with the base's
 * configuration and tokenizer. Nothing is under `out` before all of it is.
 */
export async function exportFolder(
  node: SwarmNode,
  { subject, out }: { readonly subject: CID; readonly out: string },
  options: JobOptions,
): Promise<Exported> {
  const { engine, library, bases } = node
  const recipe = await library.recipe(subject, options)
  const base = await bases.open(recipe.base)
  const plan = await planRecipe(recipe, library.sources, engine)
  const variant = await openVariant(plan)
  const { signal, onProgress } = options
  await writeFolder(
    out,
    {
      tensors: plan.tensors.values(),
      chunks: (name) => bytesOf(variant.chunks(name, { signal })),
      sideFilesFrom: base.folder.path,
    },
    {
      signal,
      onProgress: (done, total) => onProgress({ phase: 'writing', done, total, unit: 'bytes' }),
    },
  )
  return { variant: plan.id, path: out, tensors: plan.tensors.size, bytes: plan.bytesWritten }
}

async function* bytesOf(
  chunks: AsyncIterable<{ readonly bytes: Uint8Array }>,
): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of chunks) yield bytes
}
