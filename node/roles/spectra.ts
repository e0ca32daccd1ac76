import { measureSpectra, planRecipe, type Recipe, type TensorSpectrum } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** The leading singular values of what a recipe changes; needs the base. */
export async function spectraOf(
  { library, engine }: SwarmNode,
  recipe: Recipe,
  { signal, onProgress }: JobOptions,
): Promise<readonly TensorSpectrum[]> {
  const plan = await planRecipe(recipe, library.sources, engine)
  return measureSpectra(plan, {
    signal,
    onProgress: (done, total, detail) => onProgress({ phase: 'decomposing', done, total, detail }),
  })
}
