import {
  createLease,
  createProducts,
  inScope,
  matrixOf,
  openDeltas,
  planRecipe,
  type Recipe,
  type Spectrum,
  spectrumOf,
  type TensorSpec,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** The spectrum of one matrix of a delta. */
export interface TensorSpectrum extends Spectrum {
  readonly name: string
  readonly rows: number
  readonly columns: number
}

/** Singular values that are looked for: what a low-rank form of a fine-tune usually keeps. */
export const SPECTRUM_VALUES = 16

/**
 * The leading singular values of every matrix inside a layer that a recipe changes, in the base's
 * order. Needs the base, and memory for the largest matrix and its factors.
 */
export async function measureSpectra(
  { library, engine }: SwarmNode,
  recipe: Recipe,
  { signal, onProgress }: JobOptions,
): Promise<readonly TensorSpectrum[]> {
  const plan = await planRecipe(recipe, library.sources, engine)
  const deltas = await openDeltas(plan, { signal })
  const matrices = plan.changed
    .map((name) => plan.base.tensors.get(name)!)
    .filter((spec) => inScope('matrices', spec))
  const spectra: TensorSpectrum[] = []
  for (const [i, spec] of matrices.entries()) {
    signal.throwIfAborted()
    onProgress({ phase: 'decomposing', done: i, total: matrices.length, detail: spec.name })
    const [rows, columns] = spec.shape as [number, number]
    spectra.push({
      name: spec.name,
      rows,
      columns,
      ...(await spectrumOfDelta(spec, deltas, engine, signal)),
    })
  }
  return spectra
}

async function spectrumOfDelta(
  { name, shape }: TensorSpec,
  deltas: Awaited<ReturnType<typeof openDeltas>>,
  { kernels }: SwarmNode['engine'],
  signal: AbortSignal,
): Promise<Spectrum> {
  const [rows, columns] = shape as [number, number]
  const lease = createLease(kernels)
  try {
    const region = lease.take(rows * columns * 4)
    for await (const { from, count, delta } of deltas.tensor(name).chunks()) {
      region.f32.set(delta.f32.subarray(0, count), from)
    }
    const products = createProducts(kernels, lease)
    const matrix = matrixOf(region, rows, columns)
    return await spectrumOf(products, matrix, { values: SPECTRUM_VALUES, signal })
  } finally {
    await lease.release()
  }
}
