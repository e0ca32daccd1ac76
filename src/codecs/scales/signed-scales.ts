import type { Region } from '../../compute/kernels.ts'
import type {
  CodecContext,
  DeltaReader,
  DeltaTensor,
  EncodedTensor,
  Encoding,
  Sections,
  SectionSink,
} from '../index.ts'
import { allocateBuffers, blockCapacity, createBlockReader, eachBlock } from '../sections/block.ts'
import { weightDType } from '../sections/encoding.ts'
import { createSignWriter, openSigns } from '../sections/signs.ts'
import { createTally } from '../sections/tally.ts'
import { activationScales } from './activation-scales.ts'
import { scaleLayout } from './layout.ts'
import { meanScales } from './mean-scales.ts'
import { scalesToStore, type ScaleValues, type StoredScales, usedScales } from './parameters.ts'
import { createScaleWriter, openScales } from './scale-section.ts'

/** Turns the scales of a block into its magnitudes; throws what suits when one is not finite. */
export type Modulate = (scales: Region, from: number, count: number) => void

/**
 * Encodes Δ̂ᵢ = mᵢ · Sign(Δᵢ), where mᵢ is the scale that element i shares, modulated. A scale is
 * factor · mean in f64, or factor times the scale that fits the outputs best where activations of
 * the tensor are known and a matrix or a row shares it; rounded to f32, then to the scales' dtype.
 */
export async function encodeSignedScales(
  tensor: DeltaTensor,
  values: ScaleValues,
  sink: SectionSink,
  { kernels, calibration }: CodecContext,
  modulate?: Modulate,
): Promise<Encoding> {
  const { spec } = tensor
  weightDType(spec)
  const stored = usedScales(values)
  const layout = scaleLayout(spec.shape, stored)
  const { means, zeroCount } = await meanScales(tensor, layout, values.mean, kernels)
  const activations = calibration?.(spec.name)
  const fitted =
    activations && (values.scales === 'matrix' || values.scales === 'row')
      ? await activationScales(tensor, layout, activations, values.zeros, kernels)
      : means
  const scales = fitted.map((scale) => values.factor * scale)
  using writer = createScaleWriter(kernels, spec, layout, stored.scaleDtype, scales)
  using signs = createSignWriter(kernels, spec, sink, { zeros: values.zeros, zeroCount })
  using buffers = allocateBuffers(kernels, [blockCapacity(spec) * 4])
  const [out] = buffers.regions

  const tally = createTally(kernels)
  for await (const { from, count, delta } of eachBlock(tensor)) {
    await signs.write(delta, count)
    writer.spread(out, from, count)
    modulate?.(out, from, count)
    signs.apply(out, count)
    tally.add(delta, out, count)
  }
  await writer.store(sink)
  return { parameters: scalesToStore(stored), ...tally.finish() }
}

/** Reads what `encodeSignedScales` stored; throws `MalformedError` `E_BAD_ENCODING`. */
export async function openSignedScales(
  { spec }: EncodedTensor,
  stored: StoredScales,
  sections: Sections,
  { kernels }: CodecContext,
  modulate?: Modulate,
): Promise<DeltaReader> {
  weightDType(spec)
  const layout = scaleLayout(spec.shape, stored)
  const signs = openSigns(kernels, spec, sections, stored.zeros)
  try {
    const scales = await openScales(kernels, spec, sections, layout, stored.scaleDtype)
    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        await signs.read(count)
        await scales.spread(out, from, count)
        modulate?.(out, from, count)
        signs.apply(out, count)
      },
      end() {
        signs.end()
        scales.end()
      },
      close() {
        signs.close()
        scales.close()
      },
    })
  } catch (error) {
    signs.close()
    throw error
  }
}
