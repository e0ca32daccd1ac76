import type { Codec, EncodedTensor, Sections } from '../codecs/index.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import type { Region } from '../compute/kernels.ts'
import { InvalidInputError, MalformedError } from '../errors.ts'
import { checkParameters, type ParameterTable } from '../parameters.ts'
import type { Registry } from '../registry.ts'
import { CHUNK_ELEMENTS } from '../tensors/blocks.ts'
import { defineOperator } from './index.ts'

/**
 * What a lossy codec does to a delta, as an edit: encodes and decodes it. The codec's own
 * parameters stand beside `codec` in the recipe, as in `through(a, codec=sparse, density=0.1)`.
 */
export const operator = defineOperator({
  id: 'through',
  kind: 'edit',
  about: 'stores the delta with a lossy codec and reads it back',
  reference: 'https://arxiv.org/abs/2410.13841',
  parameters: {
    codec: { type: 'id', default: 'bitdelta', about: 'any lossy codec' },
  },
  scope: 'matrices',
  unit: () => 'tensor',
  memory(spec, { codec: id, ...parameters }, codecs) {
    const { memory } = codecs.get(String(id))
    if (memory === undefined) return 0
    return Math.max(memory('encode', spec, parameters), memory('read', spec, parameters))
  },
  parametersFor({ codec = 'bitdelta' }, codecs): ParameterTable {
    return { codec: operator.parameters.codec, ...lossy(String(codec), codecs).parameters }
  },
  open({ kernels, codecs, spec, parameters }) {
    const { codec: id, ...rest } = parameters
    const codec = lossy(id, codecs)
    const values = checkParameters(id, codec.parameters, rest)
    return async ([delta], out, _from, count) => {
      const sections = new Map<string, Uint8Array[]>()
      const encoded = await codec.encode(
        { spec, chunks: () => slices(delta!, count) },
        values,
        (section, bytes) => {
          const parts = sections.get(section)
          if (parts === undefined) sections.set(section, [bytes.slice()])
          else parts.push(bytes.slice())
          return Promise.resolve()
        },
        { kernels },
      )
      const tensor: EncodedTensor = { ...encoded, spec, codec: id }
      const reader = await codec.open(tensor, sectionsOf(sections), { kernels })
      try {
        for await (const part of slices(out, count)) await reader.read(part.delta, part.count, out)
      } finally {
        reader.close()
      }
    }
  },
})

function lossy(id: string, codecs: Registry<Codec>): Codec {
  const codec = codecs.get(id)
  if (!codec.exact) return codec
  throw new InvalidInputError('E_EXACT_CODEC', `${id} gives back what it was given`, {
    expected: 'a lossy codec',
    actual: id,
    fix: 'leave this operator out',
  })
}

/** A lossy codec looks at the delta alone, so it stands for base and post too. */
async function* slices(region: Region, elements: number) {
  for (let from = 0; from < elements; from += CHUNK_ELEMENTS) {
    const count = Math.min(CHUNK_ELEMENTS, elements - from)
    const delta = sliceRegion(region, from * 4, count * 4)
    yield { from, count, delta, base: delta, post: delta }
  }
}

function sectionsOf(parts: ReadonlyMap<string, readonly Uint8Array[]>): Sections {
  const whole = new Map([...parts].map(([name, list]) => [name, Buffer.concat(list)]))
  return {
    bytes: (section) => whole.get(section)?.length ?? 0,
    read(section, offset, length) {
      const bytes = whole.get(section)?.subarray(offset, offset + length)
      if (bytes?.length === length) return Promise.resolve(bytes)
      return Promise.reject(
        new MalformedError('E_BAD_ENCODING', `section '${section}' ends early`, {
          expected: `${length} bytes at ${offset}`,
          actual: `${bytes?.length ?? 0} bytes`,
        }),
      )
    },
  }
}
