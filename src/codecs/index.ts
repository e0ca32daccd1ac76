import type { DeltaTensor } from '../checkpoints/delta.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import type { Emitter } from '../graphs/emitter.ts'
import type { ParameterTable, ParameterValues, ValuesOf } from '../parameters.ts'
import { loadRegistry, type Registry } from '../registry.ts'
import type { TensorSpec } from '../tensors/tensor.ts'

export type { DeltaChunk, DeltaTensor } from '../checkpoints/delta.ts'

/**
 * A codec stores one delta tensor as named sections of bytes and gives it back. It decides nothing
 * about values apart from what its own loss is: changing values is an operator's work.
 */

/** Takes a section's bytes in order; the bytes are copied before the call returns its promise. */
export type SectionSink = (section: string, bytes: Uint8Array) => Promise<void>

/** Reads the sections of one encoded tensor. */
export interface Sections {
  /** Bytes of a section; 0 when there is none of that name. */
  bytes(section: string): number
  /** Rejects with `MalformedError` when the range lies outside the section. */
  read(section: string, offset: number, length: number): Promise<Uint8Array>
}

export interface EncodedTensor {
  readonly spec: TensorSpec
  readonly codec: string
  /** All that the decoder needs besides the sections; checked by the codec's `open`. */
  readonly parameters: ParameterValues
  /**
   * sha256 of the decoded value: of the post tensor's bytes for an exact codec, else of the
   * little-endian f32 delta.
   */
  readonly sha256: Uint8Array
}

/** What an encoder finds out besides the sections. */
export interface Encoding extends Pick<EncodedTensor, 'parameters' | 'sha256'> {
  /** Σ (Δ̂ − Δ)² in f64, summed block by block; 0 for an exact codec. */
  readonly squaredError: number
}

/**
 * Reads one tensor from its first element to its last. Every count but the last is a multiple of
 * `BLOCK_ELEMENTS`. `base` holds the same elements of the base in the tensor's dtype; only an exact
 * codec looks at it. Bytes that do not decode to finite values reject with `MalformedError`
 * `E_BAD_ENCODING`, bytes left behind the last element too.
 */
export interface DeltaReader {
  /** Puts the next `count` elements as f32 delta into `out`. */
  read(out: Region, count: number, base: Region): Promise<void>
  /** Exact codecs only, instead of `read`: the post tensor's own bytes. */
  readPost?(out: Region, count: number, base: Region): Promise<void>
  /** Frees buffers; call it once, also after an error. */
  close(): void
}

/**
 * Decoding one tensor as ONNX nodes, for a device: what is brought there is less than the delta.
 */
export interface CodecGraph {
  /** The f32 vectors that are uploaded. */
  readonly planes: readonly {
    readonly elements: number
    fill(out: Region): Promise<void>
  }[]
  /** Emits the nodes and returns the name of the delta, in the tensor's shape. */
  emit(emitter: Emitter, planes: readonly string[]): string
}

export interface CodecContext {
  readonly kernels: Kernels
  /** Inputs of a tensor on some data, where known: scales are then fitted to its outputs. */
  readonly calibration?: Calibration | undefined
}

/** Reads the inputs of one tensor; `undefined` where none are known. */
export type Calibration = (tensor: string) => Promise<Activations | undefined>

/** `rows` × (elements of one row of the tensor), in row-major order. */
export interface Activations {
  readonly rows: number
  readonly activations: Float32Array
}

/** A tensor that is stored already, of which another may share sections. */
export interface Sibling {
  readonly tensor: EncodedTensor
  readonly sections: Sections
}

export interface Codec<T extends ParameterTable = ParameterTable> {
  readonly id: string
  readonly about: string
  readonly reference: string
  /** Gives back the post-trained bytes exactly. */
  readonly exact: boolean
  /** What a user chooses when encoding. */
  readonly parameters: T
  /**
   * Bytes of the kernels' memory that it holds besides a few blocks, while it encodes a tensor with
   * parameters that a user chose, or reads one with those that are stored. None unless declared.
   */
  memory?(use: 'encode' | 'read', spec: TensorSpec, parameters: ParameterValues): number
  /**
   * Stores the tensor's sections in `sink`. Every chunk of the tensor but the last holds a multiple
   * of `BLOCK_ELEMENTS`.
   */
  encode(
    tensor: DeltaTensor,
    parameters: ValuesOf<T>,
    sink: SectionSink,
    context: CodecContext,
  ): Promise<Encoding>
  /**
   * Stores the tensor with the parameters of a sibling of this codec and shape, and with sections
   * that it shares where that can be; throws `IncompatibleError` `E_SIBLING` for another codec or
   * shape.
   */
  encodeLike?(
    tensor: DeltaTensor,
    sibling: Sibling,
    sink: SectionSink,
    context: CodecContext,
  ): Promise<Encoding>
  /**
   * Checks parameters and section sizes against the spec before it allocates anything; throws
   * `MalformedError` `E_BAD_ENCODING` when they do not fit.
   */
  open(tensor: EncodedTensor, sections: Sections, context: CodecContext): Promise<DeltaReader>
  /**
   * The same value for a device; checks what `open` checks. `undefined` where there is no graph.
   */
  graph?(
    tensor: EncodedTensor,
    sections: Sections,
    context: CodecContext,
  ): Promise<CodecGraph | undefined>
}

/** Declares a codec; it exists to infer the names and types of the parameters. */
export function defineCodec<const T extends ParameterTable>(codec: Codec<T>): Codec<T> {
  return codec
}

export function loadCodecs(): Promise<Registry<Codec>> {
  return loadRegistry<Codec>('codec', import.meta.url)
}
