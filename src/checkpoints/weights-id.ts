import { createHash } from 'node:crypto'
import { type CID, cidOfValue } from '../canonical.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { bytesOf, compareNames, type TensorSpec } from '../tensors/tensor.ts'
import { type StreamOptions, streamTensor } from './stream.ts'
import { tieCandidates, type TieMap } from './tied.ts'

export interface HashedTensor extends TensorSpec {
  /** Of the tensor's bytes. */
  readonly sha256: Uint8Array
}

export interface WeightsId {
  readonly id: CID
  /** What the id stands for, sorted by name; tied copies are left out. */
  readonly tensors: readonly HashedTensor[]
  readonly tied: TieMap
}

export interface WeightsIdOptions extends StreamOptions {
  readonly known?: ReadonlyMap<string, Uint8Array>
}

/**
 * The identity of weights: the CID of the dag-cbor list of [name, dtype, shape, sha256] in the
 * order of names. It does not depend on files, shards, their order or metadata, nor on whether a
 * tied head is written out. Every byte is read once, but for tensors whose sha256 is already
 * `known` by their names; `onProgress` counts bytes.
 */
export async function weightsId(
  checkpoint: Checkpoint,
  { signal, onProgress, known }: WeightsIdOptions = {},
): Promise<WeightsId> {
  const specs = [...checkpoint.tensors.values()].sort((a, b) => compareNames(a.name, b.name))
  const total = specs.reduce((sum, spec) => sum + bytesOf(spec), 0)
  const hashes = new Map<string, Uint8Array>()
  let done = 0
  for (const spec of specs) {
    const knownHash = known?.get(spec.name)
    if (knownHash !== undefined) {
      hashes.set(spec.name, knownHash)
      onProgress?.((done += bytesOf(spec)), total)
      continue
    }
    const hash = createHash('sha256')
    for await (const piece of streamTensor(checkpoint, spec, signal && { signal })) {
      hash.update(piece)
      onProgress?.((done += piece.length), total)
    }
    hashes.set(spec.name, hash.digest())
  }
  const tied = new Map<string, string>()
  for (const [head, embedding] of tieCandidates(checkpoint.tensors)) {
    if (Buffer.compare(hashes.get(head.name)!, hashes.get(embedding.name)!) === 0) {
      tied.set(head.name, embedding.name)
    }
  }
  const tensors = specs
    .filter(({ name }) => !tied.has(name))
    .map((spec) => ({ ...spec, sha256: new Uint8Array(hashes.get(spec.name)!) }))
  return { id: idOf(tensors), tensors, tied }
}

function idOf(tensors: readonly HashedTensor[]): CID {
  return cidOfValue(tensors.map(({ name, dtype, shape, sha256 }) => [name, dtype, shape, sha256]))
}
