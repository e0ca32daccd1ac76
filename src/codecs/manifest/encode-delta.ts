import type { Kernels } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { checkParameters, type ParameterValues } from '../../parameters.ts'
import type { Registry } from '../../registry.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type {
  Codec,
  CodecContext,
  DeltaChunk,
  DeltaTensor,
  EncodedTensor,
  SectionSink,
  Sibling,
} from '../index.ts'

/** A codec with all of its parameters. */
export interface TensorCodec {
  readonly codec: string
  readonly parameters: ParameterValues
  /** What the tensor is to share sections with; it takes the sibling's parameters, not these. */
  readonly like?: Sibling
}

export interface EncodeContext extends CodecContext {
  readonly codecs: Registry<Codec>
}

/** A tensor as it was stored, and what that took and lost. */
export interface StoredTensor extends EncodedTensor {
  /** Of all its sections. */
  readonly bytes: number
  readonly loss: Loss
}

/** Sums over elements in f64, block by block. */
export interface Loss {
  /** Σ (Δ̂ − Δ)² */
  readonly error: number
  /** Σ Δ² */
  readonly norm: number
}

/** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ over all tensors together; 0 for a delta of zeros. */
export function relativeError(losses: Iterable<Loss>): number {
  const total = { error: 0, norm: 0 }
  for (const { error, norm } of losses) {
    total.error += error
    total.norm += norm
  }
  return total.error === 0 ? 0 : Math.sqrt(total.error / total.norm)
}

/** Encodes one tensor with a codec of the registry; its sections go to `sink` in order. */
export async function encodeTensor(
  tensor: DeltaTensor,
  { codec: id, parameters, like }: TensorCodec,
  sink: SectionSink,
  context: EncodeContext,
): Promise<StoredTensor> {
  const codec = context.codecs.get(id)
  const checked = checkParameters(id, codec.parameters, parameters)
  const measured = withNorm(tensor, context.kernels)
  let bytes = 0
  const counting: SectionSink = (section, piece) => {
    bytes += piece.length
    return sink(section, piece)
  }
  const { squaredError, ...encoding } =
    like === undefined || codec.encodeLike === undefined
      ? await codec.encode(measured.tensor, checked, counting, context)
      : await codec.encodeLike(measured.tensor, like, counting, context)
  const loss = { error: squaredError, norm: measured.norm() }
  return { spec: tensor.spec, codec: id, ...encoding, bytes, loss }
}

/** The same tensor, which sums its squares while it is read for the first time. */
function withNorm(tensor: DeltaTensor, kernels: Kernels) {
  let passes = 0
  let norm = 0
  const add = ({ count, delta }: DeltaChunk): void => {
    for (let at = 0; at < count; at += BLOCK_ELEMENTS) {
      const size = Math.min(BLOCK_ELEMENTS, count - at)
      norm += kernels.sumSquares(sliceRegion(delta, at * 4, size * 4), size)
    }
  }
  async function* chunks() {
    const isFirst = passes === 0
    passes++
    for await (const chunk of tensor.chunks()) {
      if (isFirst) add(chunk)
      yield chunk
    }
  }
  return { tensor: { spec: tensor.spec, chunks }, norm: () => norm }
}
