import type { DeltaTensor } from '../../codecs/index.ts'
import type { Kernels } from '../../compute/kernels.ts'
import { createLease } from '../../compute/lease.ts'
import { matrixOf } from '../../compute/matrix/matrix.ts'
import { createProducts } from '../../compute/matrix/products.ts'
import { type Spectrum, spectrumOf } from '../../compute/matrix/spectrum.ts'
import { inScope } from '../../operators/index.ts'
import { openDeltas } from '../open-deltas.ts'
import type { Plan } from '../plan/plan.ts'

/** The spectrum of one matrix of a delta. */
export interface TensorSpectrum extends Spectrum {
  readonly name: string
  readonly rows: number
  readonly columns: number
}

export interface SpectraOptions {
  readonly signal?: AbortSignal
  /** Called before each matrix: how many are done, of how many, and its name. */
  readonly onProgress?: (done: number, total: number, name: string) => void
}

/** Singular values that are looked for: what a low-rank form of a fine-tune usually keeps. */
const SPECTRUM_VALUES = 16

/**
 * The leading singular values of every matrix inside a layer that a plan's recipe changes, in the
 * base's order. Takes memory for the largest matrix and its factors besides the plan's.
 */
export async function measureSpectra(
  plan: Plan,
  { signal, onProgress }: SpectraOptions = {},
): Promise<readonly TensorSpectrum[]> {
  const deltas = await openDeltas(plan, signal && { signal })
  const matrices = plan.changed.filter((name) => inScope('matrices', plan.base.tensors.get(name)!))
  const spectra: TensorSpectrum[] = []
  for (const [i, name] of matrices.entries()) {
    signal?.throwIfAborted()
    onProgress?.(i, matrices.length, name)
    spectra.push(await measureSpectrum(deltas.tensor(name), plan.context.kernels, signal))
  }
  return spectra
}

async function measureSpectrum(
  tensor: DeltaTensor,
  kernels: Kernels,
  signal: AbortSignal | undefined,
): Promise<TensorSpectrum> {
  const { name, shape } = tensor.spec
  const [rows, columns] = shape as [number, number]
  const lease = createLease(kernels)
  try {
    const region = lease.take(rows * columns * 4)
    for await (const { from, count, delta } of tensor.chunks()) {
      region.f32.set(delta.f32.subarray(0, count), from)
    }
    const products = createProducts(kernels, lease)
    const matrix = matrixOf(region, rows, columns)
    const spectrum = await spectrumOf(products, matrix, {
      values: SPECTRUM_VALUES,
      ...(signal && { signal }),
    })
    return { name, rows, columns, ...spectrum }
  } finally {
    await lease.release()
  }
}
