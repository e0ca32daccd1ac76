import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { IncompatibleError } from '../../errors.ts'
import { elementsOf } from '../../tensors/tensor.ts'
import type { Activations, DeltaTensor } from '../index.ts'
import { eachBlock } from '../sections/block.ts'
import type { ScaleLayout } from './layout.ts'
import { solveNormalEquations } from './least-squares.ts'

/**
 * The scale ≥ 0 of the whole tensor or of each row that minimises ‖X(Δ − αS)ᵀ‖² for activations X:
 * α = ⟨XΔᵀ, XSᵀ⟩ ÷ ‖XSᵀ‖² in f64, and 0 where that is negative or XS is 0.
 */
export async function activationScales(
  tensor: DeltaTensor,
  layout: ScaleLayout,
  activations: Activations,
  zeros: 'keep' | 'plus',
  kernels: Kernels,
): Promise<Float64Array> {
  const { columns } = rowsOf(tensor, activations)
  using buffers = allocateBuffers(kernels, [Math.ceil(columns / 8)])
  const [bits] = buffers.regions
  const signs: Basis = (_plane, delta, out) => {
    kernels.packSigns(delta, bits, columns)
    kernels.unpackSigns(bits, out, columns, 1)
    if (zeros === 'plus') return
    kernels.packNonzero(delta, bits, columns)
    kernels.clearByBits(bits, out, columns)
  }
  const fitted = await fitToActivations(
    tensor,
    activations,
    { planes: 1, units: layout.count, basis: signs },
    kernels,
  )
  return fitted.map((scale) => Math.max(0, scale))
}

/** Puts the vector that scale `plane` multiplies into `out`, for one row of the delta. */
export type Basis = (plane: number, delta: Region, out: Region, row: number) => void

/**
 * The scales, of the whole tensor (`units` 1) or of each row, that minimise
 * ‖X(Δ − Σ_p α_p S_p)ᵀ‖², in order of rows and planes. Inner products are sums in f64 as `dot`
 * takes them over a row, then over activations and rows in order. Throws `IncompatibleError`
 * `E_CALIBRATION` when the activations do not fit the tensor.
 */
export async function fitToActivations(
  tensor: DeltaTensor,
  activations: Activations,
  { planes, units, basis }: { planes: number; units: number; basis: Basis },
  kernels: Kernels,
): Promise<Float64Array> {
  const { rows, columns } = rowsOf(tensor, activations)
  using buffers = allocateBuffers(kernels, [
    activations.activations.length * 4,
    columns * 4,
    columns * 4,
  ])
  const [inputs, delta, vector] = buffers.regions
  inputs.f32.set(activations.activations)
  const samples = Array.from({ length: activations.rows }, (_, i) =>
    sliceRegion(inputs, i * columns * 4, columns * 4),
  )
  const respond = (x: Region): Float64Array =>
    Float64Array.from(samples, (sample) => kernels.dot(sample, x, columns))

  const scales = new Float64Array(units * planes)
  let gram = new Float64Array(planes * planes)
  let right = new Float64Array(planes)
  let row = 0
  let filled = 0

  /** Adds one row to the normal equations, and solves them at the end of a unit. */
  function addRow(): void {
    const target = respond(delta)
    const responses: Float64Array[] = []
    for (let p = 0; p < planes; p++) {
      basis(p, delta, vector, row)
      const response = respond(vector)
      responses.push(response)
      right[p]! += product(response, target)
      for (let q = 0; q <= p; q++) {
        gram[p * planes + q]! += product(response, responses[q]!)
        gram[q * planes + p] = gram[p * planes + q]!
      }
    }
    row++
    if (units < rows && row < rows) return
    const unit = units < rows ? 0 : row - 1
    scales.set(solveNormalEquations(gram, right), unit * planes)
    gram = new Float64Array(planes * planes)
    right = new Float64Array(planes)
  }

  for await (const block of eachBlock(tensor)) {
    for (let at = 0; at < block.count;) {
      const count = Math.min(block.count - at, columns - filled)
      delta.f32.set(block.delta.f32.subarray(at, at + count), filled)
      at += count
      filled += count
      if (filled < columns) continue
      addRow()
      filled = 0
    }
  }
  return scales
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** The tensor as a matrix that these activations are inputs of. */
function rowsOf({ spec }: DeltaTensor, { rows, activations }: Activations) {
  const { name, shape } = spec
  const outputs = shape.length < 2 ? 1 : shape[0]!
  const columns = outputs === 0 ? 0 : elementsOf(shape) / outputs
  if (rows >= 1 && activations.length === rows * columns && activations.every(Number.isFinite)) {
    return { rows: outputs, columns }
  }
  throw new IncompatibleError('E_CALIBRATION', `the activations do not fit '${name}'`, {
    expected: `finite values, ${columns} for each row`,
    actual: `${activations.length} values in ${rows} rows`,
    fix: 'use activations of this model',
    details: { tensor: name },
  })
}
