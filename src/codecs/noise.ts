import { halfNormalQuantiles } from '../compute/half-normal.ts'
import { type Kernels, QUANTILES, type Region } from '../compute/kernels.ts'
import { type ParameterTable, seedParameter } from '../parameters.ts'
import { keyOf } from '../random.ts'
import { defineCodec } from './index.ts'
import { badEncoding, outOfRange } from './sections/encoding.ts'
import { owning } from './sections/owning.ts'
import { checkStoredScales, scaleParameters } from './scales/parameters.ts'
import { scalesMemory } from './scales/memory.ts'
import { encodeSignedScales, type Modulate, openSignedScales } from './scales/signed-scales.ts'

const own = {
  distribution: {
    type: 'choice',
    default: 'half-normal',
    options: ['half-normal', 'uniform'],
    about: 'of the magnitudes: half-normal with mean α, or uniform from 0 to 2α',
  },
  seed: seedParameter('seed of the magnitudes'),
} as const satisfies ParameterTable

/**
 * True signs before magnitudes that are drawn again from a seed; only their mean α is stored, for
 * the whole tensor, each row, each column or each group.
 *
 * Sections and scales as `bitdelta` has them. The draw of element i comes from word i mod 4 of
 * Philox block ⌊i ÷ 4⌋ (random.ts) under the key of ("noise", seed, tensor name): uniform
 * (w + ½) · 2⁻³¹, or half-normal by a table of quantiles (compute/half-normal.ts), either in f64.
 *
 * Decoded: f32(f64(α) · draw) with the element's sign; +0 as in `bitdelta`. The magnitudes have mean
 * α and variance (π/2 − 1)·α² (half-normal) or α²/3 (uniform).
 */
export const codec = defineCodec({
  id: 'noise',
  about: 'true signs, and magnitudes drawn from a seed with the right mean',
  reference: 'generalised BitDelta: arXiv 2410.13841, section 5.3',
  exact: false,
  parameters: { ...own, ...scaleParameters },

  memory: scalesMemory,

  async encode(tensor, { distribution, seed, ...scales }, sink, context) {
    const { name } = tensor.spec
    using noise = createNoise(context.kernels, { distribution, seed, name }, (value) =>
      outOfRange(name, 'F32 magnitudes', value),
    )
    const { modulate } = noise
    const encoding = await encodeSignedScales(tensor, scales, sink, context, modulate)
    return { ...encoding, parameters: { ...encoding.parameters, distribution, seed } }
  },

  async open(tensor, sections, context) {
    const stored = checkStoredScales(tensor, own)
    const { name } = tensor.spec
    const notFinite = (value: number) => badEncoding(`a value of '${name}'`, 'finite', value)
    return owning(async (own, close) => {
      const { modulate } = own(createNoise(context.kernels, { ...stored, name }, notFinite))
      const reader = own(await openSignedScales(tensor, stored, sections, context, modulate))
      return { ...reader, close }
    })
  },
})

interface NoiseOf {
  readonly distribution: 'half-normal' | 'uniform'
  readonly seed: number
  readonly name: string
}

function createNoise(
  kernels: Kernels,
  { distribution, seed, name }: NoiseOf,
  notFinite: (value: number) => Error,
): Disposable & { readonly modulate: Modulate } {
  const key = keyOf('noise', seed, name)
  let quantiles: Region | undefined
  if (distribution === 'half-normal') {
    quantiles = kernels.allocate(QUANTILES * 4)
    quantiles.f32.set(halfNormalQuantiles())
  }
  return {
    modulate(out, from, count) {
      kernels.multiplyByNoise(out, count, { key, from, quantiles })
      const bad = kernels.firstNonFinite(out, count)
      if (bad >= 0) throw notFinite(out.f32[bad]!)
    },
    [Symbol.dispose]() {
      if (quantiles !== undefined) kernels.release(quantiles)
      quantiles = undefined
    },
  }
}
