import { checkParameters, type ParameterValues } from '../../parameters.ts'
import type { Registry } from '../../registry.ts'
import { canonicalScope, inScope, type Scope } from '../../tensors/scope.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'
import type { Codec, CodecContext, DeltaTensor, EncodedTensor, SectionSink } from '../index.ts'

/** A codec as a user asks for it. */
export interface CodecChoice {
  readonly codec: string
  readonly parameters: ParameterValues
  /** Default: `matrices` for a codec with a loss, `all` for an exact one. */
  readonly scope?: Scope
}

/** A codec with all of its parameters. */
export interface TensorCodec {
  readonly codec: string
  readonly parameters: ParameterValues
}

/** Stores what a choice leaves out, so that norms, biases and embeddings lose nothing. */
const DEFAULT_CODEC: TensorCodec = { codec: 'raw', parameters: {} }

/**
 * The codec of every changed tensor: the chosen one inside its scope, `DEFAULT_CODEC` outside.
 * Throws `InvalidInputError` for a codec, a parameter or a scope that does not exist or is out of range.
 */
export function chooseCodecs(
  changed: Iterable<TensorSpec>,
  choice: CodecChoice,
  codecs: Registry<Codec>,
): ReadonlyMap<string, TensorCodec> {
  const codec = codecs.get(choice.codec)
  const scope = canonicalScope(choice.scope ?? (codec.exact ? 'all' : 'matrices'))
  const chosen: TensorCodec = {
    codec: codec.id,
    parameters: checkParameters(codec.id, codec.parameters, choice.parameters),
  }
  return new Map(
    [...changed].map((spec) => [spec.name, inScope(scope, spec) ? chosen : DEFAULT_CODEC]),
  )
}

/** Encodes one tensor with a codec of the registry; its sections go to `sink` in order. */
export async function encodeTensor(
  tensor: DeltaTensor,
  { codec: id, parameters }: TensorCodec,
  sink: SectionSink,
  context: CodecContext & { readonly codecs: Registry<Codec> },
): Promise<EncodedTensor> {
  const codec = context.codecs.get(id)
  const checked = checkParameters(id, codec.parameters, parameters)
  const encoded = await codec.encode(tensor, checked, sink, context)
  return { spec: tensor.spec, codec: id, ...encoded }
}
