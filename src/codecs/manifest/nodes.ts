import type { CID } from '../../canonical.ts'
import type { ParameterValues } from '../../parameters.ts'
import type { DType } from '../../tensors/dtype.ts'
import type { EncodedTensor, Sections } from '../index.ts'

/**
 * What a published delta is, as content-addressed nodes:
 *
 *     root   dag-cbor ≤ 64 KiB    who, over which base, how large; links to the index nodes
 *     index  dag-cbor ≤ 256 KiB   tensors with codec, parameters and where their sections lie; leaves
 *     leaf   raw ≤ 1 MiB          section bytes
 *
 * A tensor that equals the base's is absent. A peer with the root and one index node can check and
 * decode every tensor of that node. Tensors stand in the order of `compareNames`, over all index
 * nodes; the sections of a node fill its leaves, so that every byte belongs to exactly one section.
 */
export interface DeltaRoot {
  readonly version: 1
  readonly kind: 'delta'
  /** Weights ids. `post` is there when every tensor is stored by an exact codec. */
  readonly base: CID
  readonly post?: CID
  /** `model_type` of the base's configuration, for example `llama`. */
  readonly architecture: string
  /** Tensors per codec id. */
  readonly codecs: Readonly<Record<string, number>>
  /** Changed tensors, their elements, and the bytes of all sections. */
  readonly tensors: number
  readonly elements: number
  readonly bytes: number
  readonly index: readonly CID[]
  readonly author: string
  readonly name: string
  /** SPDX expression. */
  readonly licence: string
  /** Deltas this one was made from. */
  readonly parents: readonly CID[]
}

export interface IndexNode {
  readonly version: 1
  readonly tensors: readonly IndexedTensor[]
  /** Leaves in order, with their length in bytes. */
  readonly leaves: readonly (readonly [CID, number])[]
}

export interface IndexedTensor {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly codec: string
  readonly parameters: ParameterValues
  /**
   * By section name: first leaf (a position in `leaves`), offset in it, length over all leaves. An
   * empty section is absent.
   */
  readonly sections: Readonly<
    Record<string, readonly [leaf: number, offset: number, length: number]>
  >
  readonly sha256: Uint8Array
}

/** A delta that can be read: the tensors it changes and their encoded bytes, wherever those lie. */
export interface DeltaSource {
  readonly root: DeltaRoot
  readonly tensors: ReadonlyMap<string, EncodedTensor>
  sections(tensor: string): Sections
}
