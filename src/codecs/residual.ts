import { allocateBuffers } from '../compute/buffers.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec } from './index.ts'
import { fitPlanesToActivations } from './residual/activation-fit.ts'
import { createCoder } from './residual/coder.ts'
import { codebooks, fitScales } from './residual/fit.ts'
import { openResidual } from './residual/open-residual.ts'
import { bits, residualToStore, scales, storedScaleDtype } from './residual/parameters.ts'
import { refitScales } from './residual/refit-scales.ts'
import { storePlanes } from './residual/sign-planes.ts'
import { createLevelDecoder, createRounding, storeScales } from './residual/unit-scales.ts'
import { scaleLayout } from './scales/layout.ts'
import { scaleDtype } from './scales/parameters.ts'
import { bitmapBytes } from './sections/bits.ts'
import { blockCapacity, eachBlock } from './sections/block.ts'
import { outOfRange, weightDType } from './sections/encoding.ts'
import { createTally } from './sections/tally.ts'

/**
 * Binary-coding quantisation: an element is a sum of B scales with a sign each, Δ̂ = Σ_b α_b s_b. B
 * bits per weight and B scales for the whole tensor or for each row.
 *
 * Sections: `signs0` … `signs7` (residual/sign-planes.ts) and `scale` (residual/unit-scales.ts): in
 * sections of their own, so that a sibling with other scales shares all planes (`encodeLike`). How
 * scales and signs are found stands in residual/fit.ts; each scale is rounded to f32, then to
 * nearest even in its dtype, F32 for a matrix, before signs are chosen for it. Where the context
 * knows the tensor's activations X, the signs stay and the scales that minimise ‖X(Δ − Δ̂)ᵀ‖² are
 * stored.
 *
 * Decoded: from 0 on, v = f32(v ± α_b) for b = 0 … B−1, so never −0. A zero counts as positive and
 * comes out as the level nearest to it, so that a sparse delta does not stay sparse.
 */
export const codec = defineCodec({
  id: 'residual',
  about: 'a sum of scaled sign planes; siblings that differ in their scales share the planes',
  reference: 'Xu et al., ICLR 2018, arXiv 1802.00150; AlphaTuning, arXiv 2210.03858',
  exact: false,
  parameters: {
    bits,
    scales,
    scaleDtype,
    fit: {
      type: 'choice',
      default: 'alternating',
      options: ['alternating', 'greedy'],
      about: 'scales and signs of least squares in turn, or plane after plane',
    },
  },

  memory(use, { shape }, { bits, scales }) {
    if (use === 'read' || scales !== 'row' || shape.length < 2) return 0
    return shape[0]! * Number(bits) * 8 // the scales of all rows, in f32 and as they are stored
  },

  async encode(tensor, values, sink, { kernels, calibration }) {
    const { spec } = tensor
    weightDType(spec)
    const { fit } = values
    const dtype = storedScaleDtype(values)
    const layout = scaleLayout(spec.shape, { ...values, group: 0 })
    using rounding = createRounding(kernels, dtype)
    const { round } = rounding
    const fitted = await fitScales(tensor, layout, { bits: values.bits, fit, round }, kernels)
    const ofUnit = (all: Float32Array, unit: number) =>
      all.subarray(unit * values.bits, (unit + 1) * values.bits)
    const coding = {
      bits: values.bits,
      codebookOf: (unit: number) => codebooks[fit](ofUnit(fitted, unit)),
    }
    const activations = elementsOf(spec.shape) === 0 ? undefined : await calibration?.(spec.name)
    const stored = activations
      ? Float32Array.from(
          await fitPlanesToActivations(tensor, layout, activations, coding, kernels),
          round,
        )
      : fitted

    const capacity = blockCapacity(spec)
    using coder = createCoder(kernels, layout, { ...coding, most: capacity })
    using decoder = createLevelDecoder(
      kernels,
      spec,
      layout,
      (unit) => ofUnit(stored, unit),
      (level) => outOfRange(spec.name, `sums of ${dtype} scales`, level),
    )
    using buffers = allocateBuffers(kernels, [capacity, 8 * bitmapBytes(capacity), capacity * 4])
    const [codes, room, out] = buffers.regions
    const tally = createTally(kernels)
    for await (const { from, count, delta } of eachBlock(tensor)) {
      coder.codeBlock(delta, codes, from, count)
      await decoder.decode(codes, out, from, count)
      await storePlanes(kernels, codes, count, { bits: values.bits, room, sink })
      tally.add(delta, out, count)
    }
    await storeScales(kernels, dtype, stored, sink)
    return { parameters: residualToStore(values), ...tally.finish() }
  },

  encodeLike: (tensor, { tensor: like, sections }, sink, context) =>
    refitScales(tensor, like, sections, sink, context),

  open: openResidual,
})
