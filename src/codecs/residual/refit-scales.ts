import { allocateBuffers } from '../../compute/buffers.ts'
import { doublesOf } from '../../compute/doubles-of.ts'
import { BLOCK_SUMS_BYTES, type Kernels } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { IncompatibleError } from '../../errors.ts'
import { sameShape } from '../../tensors/tensor.ts'
import type {
  CodecContext,
  DeltaTensor,
  EncodedTensor,
  Encoding,
  Sections,
  SectionSink,
} from '../index.ts'
import { type ScaleLayout, scaleLayout } from '../scales/layout.ts'
import { bitmapBytes } from '../sections/bits.ts'
import { blockCapacity, eachBlock } from '../sections/block.ts'
import { outOfRange } from '../sections/encoding.ts'
import { createTally } from '../sections/tally.ts'
import { leastSquares } from './fit.ts'
import { checkStoredResidual, type StoredResidual } from './parameters.ts'
import { openPlanes, storePlanes } from './sign-planes.ts'
import { createLevelDecoder, createRounding, storeScales } from './unit-scales.ts'
import { piecesOf } from './units.ts'

/**
 * Stores a delta with the sign planes of `like`, a tensor that `residual` encoded, and scales of
 * its own: those of least squares for the given signs. What is stored differs from `like` in the
 * section of the scales alone, so that both share every leaf of the planes. Throws
 * `IncompatibleError` `E_SIBLING` for another codec or shape.
 */
export async function refitScales(
  tensor: DeltaTensor,
  like: EncodedTensor,
  sections: Sections,
  sink: SectionSink,
  { kernels }: CodecContext,
): Promise<EncodedTensor & Encoding> {
  const { spec } = tensor
  if (like.codec !== 'residual' || !sameShape(like.spec.shape, spec.shape)) {
    throw notSibling(tensor, like)
  }
  const stored = checkStoredResidual(like)
  const layout = scaleLayout(spec.shape, { ...stored, group: 0 })
  const scales = await scalesFor(tensor, { sections, stored, layout }, kernels)

  const capacity = blockCapacity(spec)
  using planes = planesOf(tensor, sections, stored, kernels)
  using decoder = createLevelDecoder(
    kernels,
    spec,
    layout,
    (unit) => scales.subarray(unit * stored.bits, (unit + 1) * stored.bits),
    (level) => outOfRange(spec.name, `sums of ${stored.scaleDtype} scales`, level),
  )
  using buffers = allocateBuffers(kernels, [capacity, 8 * bitmapBytes(capacity), capacity * 4])
  const [codes, room, out] = buffers.regions
  const tally = createTally(kernels)
  for await (const { from, count, delta } of eachBlock(tensor)) {
    await planes.read(codes, count)
    await decoder.decode(codes, out, from, count)
    await storePlanes(kernels, codes, count, { bits: stored.bits, room, sink })
    tally.add(delta, out, count)
  }
  planes.end()
  await storeScales(kernels, stored.scaleDtype, scales, sink)
  const { codec, parameters } = like
  return { spec, codec, parameters, ...tally.finish() }
}

interface Signs {
  readonly sections: Sections
  readonly stored: StoredResidual
  readonly layout: ScaleLayout
}

/** One pass over delta and planes: Σx and the number of elements by code, unit by unit. */
async function scalesFor(
  tensor: DeltaTensor,
  { sections, stored, layout }: Signs,
  kernels: Kernels,
): Promise<Float32Array> {
  const { bits, scaleDtype } = stored
  const scales = new Float32Array(layout.count * bits)
  const capacity = blockCapacity(tensor.spec)
  using planes = planesOf(tensor, sections, stored, kernels)
  using rounding = createRounding(kernels, scaleDtype)
  using buffers = allocateBuffers(kernels, [capacity, capacity, BLOCK_SUMS_BYTES])
  const [codes, own, sums] = buffers.regions
  const pairs = doublesOf(sums)
  const byCode = Array.from({ length: 2 ** bits }, (_, code) => code)
  for await (const { from, count, delta } of eachBlock(tensor)) {
    await planes.read(codes, count)
    for (const piece of piecesOf(layout, from, count)) {
      if (piece.begins) pairs.fill(0)
      own.u8.set(codes.u8.subarray(piece.at, piece.at + piece.count))
      const part = sliceRegion(delta, piece.at * 4, piece.count * 4)
      kernels.sumBlocks(part, own, piece.count, sums)
      if (!piece.ends) continue
      const found = byCode.map((code) => [code, pairs[2 * code]!, pairs[2 * code + 1]!] as const)
      scales.set(leastSquares(bits, found).map(rounding.round), piece.unit * bits)
    }
  }
  return scales
}

function planesOf(
  { spec }: DeltaTensor,
  sections: Sections,
  { bits }: StoredResidual,
  kernels: Kernels,
) {
  const planes = openPlanes(kernels, spec, sections, bits)
  return { ...planes, [Symbol.dispose]: () => planes.close() }
}

function notSibling({ spec }: DeltaTensor, like: EncodedTensor): IncompatibleError {
  const describe = (codec: string, shape: readonly number[]) => `${codec} of [${shape.join(', ')}]`
  const [expected, actual] = [
    describe('residual', spec.shape),
    describe(like.codec, like.spec.shape),
  ]
  return new IncompatibleError(
    'E_SIBLING',
    `'${spec.name}' cannot use these signs: expected ${expected}, got ${actual}`,
    {
      expected,
      actual,
      fix: 'encode it with the residual codec itself',
      details: { tensor: spec.name },
    },
  )
}
