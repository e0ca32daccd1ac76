import { defineCodec } from './index.ts'
import { checkStoredScales, scaleParameters } from './scales/parameters.ts'
import { readMatrixScale } from './scales/scale-section.ts'
import { scalesMemory } from './scales/memory.ts'
import { encodeSignedScales, openSignedScales } from './scales/signed-scales.ts'
import { signGraph } from './sections/sign-graph.ts'

/**
 * One sign per element and one magnitude for the whole tensor, each row, each column or each group:
 * 1 + b·s/n bits per weight for s scales of b bits. A zero that is kept has no sign, and where zeros
 * are takes its entropy; zeros that count as positive make signs shorter when there are many.
 *
 * Sections: `signs` and `nonzero` (sections/signs.ts), `scale` (scales/scale-section.ts). A scale is
 * α = f32(factor · (Σ|Δ| ÷ n)), all in f64 but the last rounding, then rounded to nearest even in
 * the dtype of the scales; n counts the elements that share it, or with `mean: nonzero` those that
 * are not zero. Where the context knows the tensor's activations X, the scale of a matrix or a row
 * minimises ‖X(Δ − αS)ᵀ‖² over α ≥ 0 instead. Signs do not depend on scales: re-scaled siblings
 * share their bytes.
 *
 * Decoded, without any arithmetic: +α where the sign is 1, −α where it is 0, +0 where `nonzero` is 0
 * and wherever α = 0. `zeros: keep` is the paper's Sign, with sign(0) = 0; `plus` is BitDelta's code,
 * which counts a zero as positive.
 */
export const codec = defineCodec({
  id: 'bitdelta',
  about: 'one sign bit per weight and one scale per tensor, row, column or group',
  reference:
    'BitDelta, arXiv 2402.10193; rows and columns: arXiv 2512.19720; factor: arXiv 2410.13841, section 5.3',
  exact: false,
  parameters: scaleParameters,

  memory: scalesMemory,
  encode: encodeSignedScales,

  async open(tensor, sections, context) {
    return openSignedScales(tensor, checkStoredScales(tensor, {}), sections, context)
  },

  async graph(tensor, sections, { kernels }) {
    const stored = checkStoredScales(tensor, {})
    if (stored.scales !== 'matrix') return undefined
    const scale = await readMatrixScale(tensor.spec, sections)
    return scale === 0 ? undefined : signGraph(kernels, tensor.spec, sections, scale, stored.zeros)
  },
})
