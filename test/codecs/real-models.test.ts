import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { compareCheckpoints } from '../../src/checkpoints/compare.ts'
import { deltaTensor } from '../../src/checkpoints/delta.ts'
import { type ModelFolder, openFolder } from '../../src/checkpoints/folder.ts'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { type CodecChoice, createCodecChooser } from '../../src/codecs/manifest/choose-codec.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import { verifyTensor } from '../../src/codecs/manifest/verify.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Registry } from '../../src/registry.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { dtypeBytes, type WeightDType, weightDTypes } from '../../src/tensors/dtype.ts'
import { bytesOf, elementsOf } from '../../src/tensors/tensor.ts'
import { collectSections, hex, memorySections, sha256Hex } from './memory-tensor.ts'

const demo = (name: string): string =>
  fileURLToPath(new URL(`../../node/demo/data/${name}`, import.meta.url))

describe('codecs on a trained fine-tune', () => {
  const kernels = openKernels()
  let codecs: Registry<Codec>
  let folders: ModelFolder[]
  let base: Checkpoint
  let post: Checkpoint

  before(async () => {
    codecs = await loadCodecs()
    folders = [await openFolder(demo('base')), await openFolder(demo('kana-light'))]
    ;[base, post] = folders.map(({ checkpoint }) => checkpoint) as [Checkpoint, Checkpoint]
  })
  after(() => Promise.all(folders.map((folder) => folder.close())))

  /** Encodes every changed tensor, verifies each, and gives the bits per weight by codec. */
  async function publish(dtype: WeightDType, choice: CodecChoice): Promise<Map<string, number>> {
    const [from, to] = [base, post].map((checkpoint) =>
      castCheckpoint(checkpoint, dtype, kernels),
    ) as [Checkpoint, Checkpoint]
    const { changed } = await compareCheckpoints(from, to)
    const context = { kernels, codecs }
    const chooseCodec = createCodecChooser(choice, context)
    const sizes = new Map<string, [bytes: number, elements: number]>()
    for (const spec of changed) {
      const { sink, stored } = collectSections()
      const tensor = deltaTensor(from, to, spec, kernels)
      const encoded = await encodeTensor(tensor, await chooseCodec(tensor), sink, context)
      const codec = codecs.get(encoded.codec)
      const readBase = (offset: number, into: Uint8Array) => from.read(spec.name, offset, into)
      await verifyTensor(codec, encoded, memorySections(stored), readBase, context)
      if (codec.exact) {
        const bytes = new Uint8Array(bytesOf(spec))
        await to.read(spec.name, 0, bytes)
        assert.equal(hex(encoded.sha256), sha256Hex(bytes), spec.name)
      }
      const [bytes, elements] = sizes.get(encoded.codec) ?? [0, 0]
      const added = [...stored.values()].reduce((sum, section) => sum + section.length, 0)
      sizes.set(encoded.codec, [bytes + added, elements + elementsOf(spec.shape)])
    }
    assert.equal(kernels.allocated, 0)
    return new Map([...sizes].map(([id, [bytes, elements]]) => [id, (8 * bytes) / elements]))
  }

  /** Upper bounds from what the codec stored when it was written, rounded up. */
  const rawBits = { F32: 20.5, BF16: 4.3, F16: 7.3 } as const

  for (const dtype of weightDTypes) {
    it(`gives back ${dtype} weights bit for bit with raw`, async () => {
      const bits = await publish(dtype, { codec: 'raw', parameters: {} })
      assert.ok(bits.get('raw')! < rawBits[dtype], `${bits.get('raw')} bits per weight`)
    })

    it(`stores ${dtype} matrices with bitdelta in 1 bit, and the entropy of what is kept zero`, async () => {
      const plus = await publish(dtype, { codec: 'bitdelta', parameters: { zeros: 'plus' } })
      assert.ok(plus.get('bitdelta')! > 1 && plus.get('bitdelta')! < 1.02)
      const keep = await publish(dtype, { codec: 'bitdelta', parameters: {} })
      assert.ok(keep.get('bitdelta')! <= 2.02)
      assert.deepEqual([...keep.keys()].toSorted(), ['bitdelta', 'raw'])
    })

    it(`stores ${dtype} differences with sparse in no more than their own width and a bit`, async () => {
      const bits = await publish(dtype, {
        codec: 'sparse',
        parameters: { values: dtype },
        scope: 'all',
      })
      assert.ok(bits.get('sparse')! <= 8 * dtypeBytes[dtype] + 1.02)
      assert.deepEqual([...bits.keys()], ['sparse'])
    })
  }
})
