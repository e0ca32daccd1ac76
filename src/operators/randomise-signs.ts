import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { defineOperator } from './index.ts'

/**
 * |Δ| ⊙ s with a random sign s for every element: a control that keeps every magnitude and nothing
 * else (A Unified View of Delta Parameter Editing, section 4.2). Zeros stay zero. Half of the signs
 * come out wrong, so E‖Δ̂ − Δ‖² = 2 · ‖Δ‖².
 */
export const operator = defineOperator({
  id: 'randomise-signs',
  kind: 'edit',
  control: true,
  about: 'replaces all signs of the delta by random ones',
  reference: 'https://arxiv.org/abs/2410.13841',
  parameters: { seed: seedParameter('which random signs') },
  scope: 'matrices',
  scratch: () => 2,
  intensity: () => 2,
  open({ kernels, spec, scratch: [bits, magnitudes], parameters: { seed } }) {
    const mask = {
      key: maskKey(seed, spec.name),
      threshold: dropThreshold(0.5),
      dropped: -1,
      kept: 1,
    }
    return ([x], out, from, count) => {
      kernels.packSigns(x!, bits!, count)
      kernels.scaleByBits(x!, bits!, magnitudes!, count, { set: 1, clear: -1 })
      kernels.maskedScale(magnitudes!, out, count, { ...mask, from })
    }
  },
})
