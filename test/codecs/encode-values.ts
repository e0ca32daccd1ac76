import type { Codec, EncodedTensor } from '../../src/codecs/index.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import type { ParameterValues } from '../../src/parameters.ts'
import { registryOf } from '../../src/registry.ts'
import { bytesOfFloats, collectSections, deltaTensor, memorySections } from './memory-tensor.ts'

export interface StoredValues {
  readonly encoded: EncodedTensor
  readonly stored: ReadonlyMap<string, Uint8Array>
  readonly decoded: number[]
}

/** Encodes an f32 delta over a zero base and decodes it again. */
export async function encodeValues(
  kernels: Kernels,
  codec: Codec,
  values: ArrayLike<number>,
  parameters: ParameterValues = {},
  name = 'x',
  shape: readonly number[] = [values.length],
): Promise<StoredValues> {
  const delta = Float32Array.from(values)
  const spec = { name, dtype: 'F32', shape } as const
  const post = bytesOfFloats(delta)
  const { sink, stored } = collectSections()
  const encoded = await encodeTensor(
    deltaTensor(kernels, { spec, base: new Uint8Array(post.length), post, delta }),
    { codec: codec.id, parameters },
    sink,
    { kernels, codecs: registryOf('codec', [codec]) },
  )
  const reader = await codec.open(encoded, memorySections(stored), { kernels })
  const out = kernels.allocate(post.length)
  await reader.read(out, delta.length, out)
  const decoded = [...out.f32.subarray(0, delta.length)]
  reader.close()
  kernels.release(out)
  return { encoded, stored, decoded }
}
