import { cidOfValue, type CID } from '../../src/canonical.ts'
import { deltaTensor } from '../../src/checkpoints/delta.ts'
import { compareCheckpoints } from '../../src/checkpoints/compare.ts'
import type { Codec, EncodedTensor, Sections } from '../../src/codecs/index.ts'
import type { DeltaSource } from '../../src/codecs/manifest/manifest.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { checkParameters } from '../../src/parameters.ts'
import type { Registry } from '../../src/registry.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { collectSections, memorySections } from '../codecs/memory-tensor.ts'

export interface MemoryDeltaInit {
  readonly base: CID
  readonly codec?: string
  readonly parameters?: Readonly<Record<string, unknown>>
}

/** The difference of two checkpoints, encoded with one codec and kept in memory. */
export async function memoryDelta(
  base: Checkpoint,
  post: Checkpoint,
  init: MemoryDeltaInit,
  { kernels, codecs }: { kernels: Kernels; codecs: Registry<Codec> },
): Promise<{ id: CID; source: DeltaSource }> {
  const codec = codecs.get(init.codec ?? 'raw')
  const parameters = checkParameters(codec.id, codec.parameters, init.parameters ?? {})
  const { changed } = await compareCheckpoints(base, post)
  const tensors = new Map<string, EncodedTensor>()
  const sections = new Map<string, Sections>()
  let [bytes, elements] = [0, 0]
  for (const spec of changed) {
    const { sink, stored } = collectSections()
    const encoded = await codec.encode(deltaTensor(base, post, spec, kernels), parameters, sink, {
      kernels,
    })
    tensors.set(spec.name, { spec, codec: codec.id, ...encoded })
    sections.set(spec.name, memorySections(stored))
    elements += elementsOf(spec.shape)
    for (const section of stored.values()) bytes += section.length
  }
  const root = {
    version: 1,
    kind: 'delta',
    base: init.base,
    architecture: 'test',
    codecs: { [codec.id]: tensors.size },
    tensors: tensors.size,
    elements,
    bytes,
    index: [],
    author: '',
    name: '',
    licence: 'Apache-2.0',
    parents: [],
  } as const
  const hashes = [...tensors.values()].map(({ sha256 }) => sha256)
  return {
    id: cidOfValue([init.base, codec.id, hashes]),
    source: { root, tensors, sections: (name) => sections.get(name)! },
  }
}
