import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  cidOfValue,
  type DraftNode,
  loadCodecs,
  loadOperators,
  openFolder,
  openKernels,
  openVariant,
  planRecipe,
  recipeOf,
  writeFolder,
} from '../../src/index.ts'
import { reply } from './child.ts'
import { peakRssMb } from './figure.ts'

/** One merge, or the baseline, over models on disk; started by `merge.ts`, answers by IPC. */

export interface MergeRun {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakRssMb: number
  readonly bytesRead: number
  readonly sha256: string
}

interface MergeCase {
  readonly mode: 'paper' | 'mergekit'
  readonly root: (inputs: readonly DraftNode[]) => DraftNode
}

export const merges = {
  'task arithmetic': {
    mode: 'paper',
    root: (inputs) => ({ operator: 'task-arithmetic', parameters: { lambda: 0.4 }, inputs }),
  },
  'TIES, each tensor trimmed': {
    mode: 'mergekit',
    root: (inputs) => ({ operator: 'ties', parameters: { density: 0.2 }, inputs }),
  },
  'TIES, all tensors trimmed together': {
    mode: 'paper',
    root: (inputs) => ({ operator: 'ties', parameters: { density: 0.2 }, inputs }),
  },
  'DARE-TIES': {
    mode: 'mergekit',
    root: (inputs) => ({
      operator: 'ties',
      inputs: inputs.map((input, seed) => ({
        operator: 'dare',
        parameters: { p: 0.8, seed },
        inputs: [input],
      })),
    }),
  },
} as const satisfies Readonly<Record<string, MergeCase>>

export type MergeName = keyof typeof merges

if (import.meta.main) {
  const [name, target, ...models] = process.argv.slice(2)
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const { sha256, bytesRead } =
    name === 'baseline'
      ? readWriteHash(target!, models)
      : await merge(merges[name as MergeName], target!, models)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const result: MergeRun = {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakRssMb: peakRssMb(),
    bytesRead,
    sha256,
  }
  reply(result)
}

async function merge(
  { mode, root }: MergeCase,
  target: string,
  paths: readonly string[],
): Promise<{ sha256: string; bytesRead: number }> {
  const folders = await Promise.all(paths.map(openFolder))
  const ids = paths.map((path) => cidOfValue(path))
  const byId = new Map(ids.map((id, i) => [id.toString(), folders[i]!.checkpoint]))
  const context = {
    operators: await loadOperators(),
    codecs: await loadCodecs(),
    kernels: openKernels(),
  }
  const inputs = ids.slice(1).map((weights) => ({ weights }))
  const recipe = recipeOf({ base: ids[0]!, mode, root: root(inputs) }, context)
  const sources = {
    weights: (id: (typeof ids)[number]) => Promise.resolve(byId.get(id.toString())!),
    delta: () => Promise.reject(new Error('there are no deltas')),
  }
  const plan = await planRecipe(recipe, sources, context)
  const variant = await openVariant(plan)
  const hash = createHash('sha256')
  await writeFolder(target, {
    tensors: variant.tensors.values(),
    async *chunks(tensor) {
      for await (const { bytes } of variant.chunks(tensor)) {
        hash.update(bytes)
        yield bytes
      }
    },
  })
  await Promise.all(folders.map((folder) => folder.close()))
  return { sha256: hash.digest('hex'), bytesRead: plan.bytesRead }
}

/**
 * Every byte of the models is read once, the first model's are written and hashed, and the file is
 * synced: what any merge of them must do besides arithmetic, in the plainest way.
 */
function readWriteHash(
  target: string,
  paths: readonly string[],
): { sha256: string; bytesRead: number } {
  const files = paths.map((path) => openSync(join(path, 'model.safetensors'), 'r'))
  const out = openSync(target, 'wx')
  const size = statSync(join(paths[0]!, 'model.safetensors')).size
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafeSlow(2 ** 19)
  for (let at = 0; at < size; at += piece.length) {
    // The first model comes last, so that its bytes are in the buffer when they are written.
    for (const file of files.toReversed()) readSync(file, piece, 0, piece.length, at)
    const bytes = piece.subarray(0, Math.min(piece.length, size - at))
    hash.update(bytes)
    writeSync(out, bytes)
  }
  fsyncSync(out)
  for (const file of [...files, out]) closeSync(file)
  return { sha256: hash.digest('hex'), bytesRead: size * paths.length }
}
