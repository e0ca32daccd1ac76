import { allocateBuffers } from '../../compute/buffers.ts'
import type { Region } from '../../compute/kernels.ts'
import { IncompatibleError } from '../../errors.ts'
import { elementsOf } from '../../tensors/tensor.ts'
import type {
  CodecContext,
  DeltaReader,
  DeltaTensor,
  EncodedTensor,
  Encoding,
  Sections,
  SectionSink,
} from '../index.ts'
import { blockCapacity, createBlockReader, eachBlock } from '../sections/block.ts'
import { badEncoding, weightDType } from '../sections/encoding.ts'
import { owning } from '../sections/owning.ts'
import { createSignWriter, openSigns } from '../sections/signs.ts'
import { createTally } from '../sections/tally.ts'
import { activationScales } from './activation-scales.ts'
import { type ScaleLayout, scaleLayout } from './layout.ts'
import { meanScales } from './mean-scales.ts'
import { scalesToStore, type ScaleValues, type StoredScales, usedScales } from './parameters.ts'
import { encodeScales, openScales, SCALES } from './scale-section.ts'

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
  if (tooManyColumns(layout)) throw notByColumn(spec.name, layout.columns)
  const { means, zeroCount } = await meanScales(tensor, layout, values.mean, kernels)
  const byOutputs = values.scales === 'matrix' || values.scales === 'row'
  const isFitted = byOutputs && elementsOf(spec.shape) > 0
  const activations = isFitted ? await calibration?.(spec.name) : undefined
  const fitted = activations
    ? await activationScales(tensor, layout, activations, values.zeros, kernels)
    : means
  const scales = fitted.map((scale) => values.factor * scale)
  const bytes = await encodeScales(kernels, spec, stored.scaleDtype, scales)
  using signs = createSignWriter(kernels, spec, sink, { zeros: values.zeros, zeroCount })
  using buffers = allocateBuffers(kernels, [blockCapacity(spec) * 4])
  const [out] = buffers.regions

  const tally = createTally(kernels)
  const reader = await openScales(kernels, spec, only(bytes), layout, stored.scaleDtype)
  try {
    for await (const { from, count, delta } of eachBlock(tensor)) {
      await signs.write(delta, count)
      await reader.spread(out, from, count)
      modulate?.(out, from, count)
      signs.apply(out, count)
      tally.add(delta, out, count)
    }
  } finally {
    reader.close()
  }
  if (bytes.length > 0) await sink(SCALES, bytes)
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
  if (tooManyColumns(layout)) {
    throw badEncoding('too many columns', `at most ${MAX_COLUMNS}`, layout.columns)
  }
  return owning(async (own, close) => {
    const signs = own(openSigns(kernels, spec, sections, stored.zeros))
    const scales = own(await openScales(kernels, spec, sections, layout, stored.scaleDtype))
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
      close,
    })
  })
}

/** All scales of columns are in memory at once, and no layer has nearly as many inputs. */
const MAX_COLUMNS = 2 ** 19

function tooManyColumns({ byColumn, columns }: ScaleLayout): boolean {
  return byColumn && columns > MAX_COLUMNS
}

function notByColumn(tensor: string, columns: number): IncompatibleError {
  return new IncompatibleError('E_COLUMNS', `'${tensor}' has too many columns for their scales`, {
    expected: `at most ${MAX_COLUMNS} columns`,
    actual: columns,
    fix: 'use `scales: row` or `scales: group`',
    details: { tensor },
  })
}

/** The one section that is in memory. */
function only(bytes: Uint8Array): Sections {
  return {
    bytes: () => bytes.length,
    read: (_section, offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  }
}
