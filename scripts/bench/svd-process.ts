import { join } from 'node:path'
import {
  cidOfValue,
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
import { writeModels } from './models.ts'

/** A low-rank edit of a model of one large matrix; started by `svd.ts`, answers by IPC. */

export interface SvdRun {
  readonly peakRssMb: number
}

if (import.meta.main) {
  const [folder = '', side = ''] = process.argv.slice(2)
  const shape = [Number(side), Number(side)]
  const spec = { name: 'model.layers.0.mlp.up_proj.weight', dtype: 'BF16', shape } as const
  const paths = await writeModels(folder, [spec], ['post'])
  const folders = await Promise.all(paths.map(openFolder))
  const [base, post] = paths.map((path) => cidOfValue(path))
  const context = {
    operators: await loadOperators(),
    codecs: await loadCodecs(),
    kernels: openKernels(),
  }
  const inputs = [{ weights: post! }]
  const root = { operator: 'low-rank', parameters: { rank: 64 }, inputs }
  const sources = {
    weights: async (id: typeof base) => folders[id!.equals(base) ? 0 : 1]!.checkpoint,
    delta: () => Promise.reject(new Error('there are no deltas')),
  }
  const recipe = recipeOf({ base: base!, root }, context)
  const variant = await openVariant(await planRecipe(recipe, sources, context))
  await writeFolder(join(folder, 'out'), {
    tensors: variant.tensors.values(),
    async *chunks(tensor) {
      for await (const { bytes } of variant.chunks(tensor)) yield bytes
    },
  })
  await Promise.all(folders.map((each) => each.close()))
  const result: SvdRun = { peakRssMb: peakRssMb() }
  reply(result)
}
