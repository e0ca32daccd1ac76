import { IncompatibleError, InvalidInputError, LimitError } from '../../errors.ts'
import { checkParameters, type ParameterTable, type ParameterValues } from '../../parameters.ts'
import { sameShape } from '../../tensors/tensor.ts'
import { canonicalScope, inScope, type Scope } from '../../tensors/scope.ts'
import type { DeltaTensor } from '../index.ts'
import { candidatesFor } from './candidates.ts'
import type { DeltaSource } from './nodes.ts'
import {
  type EncodeContext,
  encodeTensor,
  relativeError,
  type TensorCodec,
} from './encode-delta.ts'

/** A codec as a user asks for it; `auto` stands for the smallest within an error. */
export interface CodecChoice {
  readonly codec: string
  readonly parameters: ParameterValues
  /** Default: `matrices` for a codec with a loss, `all` for an exact one. */
  readonly scope?: Scope | undefined
  /**
   * A delta to share sections with, for a codec that can: a tensor that it stores with this codec in
   * the same shape takes its parameters, the others those given here.
   */
  readonly like?: Pick<DeltaSource, 'tensors' | 'sections'>
}

/** The codec of one changed tensor; only `auto` reads it. */
export type CodecChooser = (
  tensor: DeltaTensor,
  options?: { readonly signal?: AbortSignal },
) => Promise<TensorCodec>

/** Stores what a choice leaves out, so that norms, biases and embeddings lose nothing. */
const DEFAULT_CODEC: TensorCodec = { codec: 'raw', parameters: {} }

const autoParameters = {
  error: {
    type: 'number',
    default: 0.05,
    min: 0,
    max: 1,
    about: 'most that a tensor may be off, relative to its norm; 0 for nothing lost',
  },
} as const satisfies ParameterTable

/**
 * The chosen codec for tensors inside its scope, and raw for the others: unless the scope says `all`,
 * what is not a matrix inside a layer loses nothing, whatever its shape. `auto` encodes a tensor with
 * each of the candidates and takes the one with the fewest bytes of those whose relative error is at
 * most `error`, of equals the first; a codec that refuses the tensor is passed over, and with `error: 0`
 * only exact codecs stand for choice. That reads the tensor about fifty times and takes up to
 * thirty times as long as encoding it with what is chosen. Throws `InvalidInputError` for a codec, a parameter or a
 * scope that does not exist or is out of range, and `E_NO_SIBLINGS` for `like` with a codec that
 * shares nothing.
 */
export function createCodecChooser(choice: CodecChoice, context: EncodeContext): CodecChooser {
  const { scope, choose } = choice.codec === 'auto' ? auto(choice, context) : fixed(choice, context)
  const within = canonicalScope(choice.scope ?? scope)
  return async (tensor, options) =>
    inScope(within, tensor.spec) ? choose(tensor, options) : DEFAULT_CODEC
}

interface ScopedChooser {
  readonly scope: Scope
  readonly choose: CodecChooser
}

function fixed(
  { codec: id, parameters, like }: CodecChoice,
  { codecs }: EncodeContext,
): ScopedChooser {
  const codec = codecs.get(id)
  if (like !== undefined && codec.encodeLike === undefined) throw noSiblings(id, codecs)
  const chosen = { codec: id, parameters: checkParameters(id, codec.parameters, parameters) }
  const choose: CodecChooser = ({ spec }) => {
    const tensor = like?.tensors.get(spec.name)
    const isSibling = tensor?.codec === id && sameShape(tensor.spec.shape, spec.shape)
    return Promise.resolve(
      isSibling ? { ...chosen, like: { tensor, sections: like!.sections(spec.name) } } : chosen,
    )
  }
  return { scope: codec.exact ? 'all' : 'matrices', choose }
}

function noSiblings(id: string, codecs: EncodeContext['codecs']): InvalidInputError {
  const able = codecs.ids.filter((other) => codecs.get(other).encodeLike !== undefined)
  return new InvalidInputError('E_NO_SIBLINGS', `${id} cannot be told what to share`, {
    expected: able,
    actual: id,
    fix: `leave \`like\` out, or take ${able.join(' or ')}`,
  })
}

function auto({ parameters, like }: CodecChoice, context: EncodeContext): ScopedChooser {
  if (like !== undefined) throw noSiblings('auto', context.codecs)
  const { error } = checkParameters('auto', autoParameters, parameters)
  const { codecs } = context
  const tried = candidatesFor(error)
    .filter(({ codec }) => error > 0 || codecs.get(codec).exact)
    .map((candidate) => ({
      codec: candidate.codec,
      parameters: checkParameters(
        candidate.codec,
        codecs.get(candidate.codec).parameters,
        candidate.parameters,
      ),
    }))
  return {
    scope: error > 0 ? 'matrices' : 'all',
    choose: (tensor, options) => smallestWithin(tensor, error, tried, context, options),
  }
}

/** One of the candidates is exact, so that there is always a smallest. */
async function smallestWithin(
  tensor: DeltaTensor,
  error: number,
  tried: readonly TensorCodec[],
  context: EncodeContext,
  options: { readonly signal?: AbortSignal } = {},
): Promise<TensorCodec> {
  let best = DEFAULT_CODEC
  let fewest = Infinity
  for (const candidate of tried) {
    options.signal?.throwIfAborted()
    const bytes = await bytesWithin(tensor, error, candidate, fewest, context)
    if (bytes >= fewest) continue
    best = candidate
    fewest = bytes
  }
  return best
}

/**
 * What a candidate takes; infinite when that comes to `most`, when it is off by more than `error` or
 * when the tensor does not suit it.
 */
async function bytesWithin(
  tensor: DeltaTensor,
  error: number,
  candidate: TensorCodec,
  most: number,
  context: EncodeContext,
): Promise<number> {
  const tooLarge = new Error('larger than another candidate')
  let bytes = 0
  const count = (_section: string, piece: Uint8Array): Promise<void> => {
    bytes += piece.length
    return bytes < most ? Promise.resolve() : Promise.reject(tooLarge)
  }
  try {
    const { loss } = await encodeTensor(tensor, candidate, count, context)
    return relativeError([loss]) <= error ? bytes : Infinity
  } catch (cause) {
    if (cause === tooLarge || isRefusal(cause)) return Infinity
    throw cause
  }
}

/** A shape or a value that a codec does not take, or more memory than there is. */
function isRefusal(cause: unknown): boolean {
  return cause instanceof IncompatibleError || cause instanceof LimitError
}
