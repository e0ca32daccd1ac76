import assert from 'node:assert/strict'
import { createMemoryBlockstore } from '../../protocol/block.ts'
import { openDelta } from '../../protocol/dag/open.ts'
import { createDeltaWriter } from '../../protocol/dag/write.ts'
import { linksOf } from '../../protocol/dag/links.ts'
import {
  type CID,
  cidOfValue,
  type EncodedTensor,
  encodeTensor,
  IncompatibleError,
  loadCodecs,
  openKernels,
  refitScales,
  type Sections,
  verifyTensor,
} from '../../src/index.ts'
import { gaussian, relativeError } from '../codecs/gaussian.ts'
import { bytesOfFloats, deltaTensor } from '../codecs/memory-tensor.ts'

const facts = {
  base: cidOfValue('a base'),
  architecture: 'llama',
  author: 'somebody',
  name: 'a delta',
  licence: 'Apache-2.0',
  parents: [],
}

const shape = [256, 1024]
const names = ['a', 'b']
const count = shape[0]! * shape[1]!

describe('siblings that differ in their scales', () => {
  const kernels = openKernels()
  const blockstore = createMemoryBlockstore()

  const tensorOf = (name: string, delta: Float32Array) => {
    const post = bytesOfFloats(delta)
    const spec = { name, dtype: 'F32', shape } as const
    return deltaTensor(kernels, { spec, base: new Uint8Array(post.length), post, delta })
  }

  async function publish(
    deltas: readonly Float32Array[],
    codec: string,
    parameters: Record<string, string | number>,
  ): Promise<CID> {
    const context = { kernels, codecs: await loadCodecs() }
    const writer = createDeltaWriter(blockstore)
    for (const [i, delta] of deltas.entries()) {
      await writer.add((sink) =>
        encodeTensor(tensorOf(names[i]!, delta), { codec, parameters }, sink, context),
      )
    }
    return (await writer.finish(facts)).cid
  }

  async function leavesOf(root: CID): Promise<Map<string, number>> {
    const leaves = new Map<string, number>()
    const visit = async (cid: CID): Promise<void> => {
      const bytes = (await blockstore.get(cid))!
      const { kind, links } = linksOf(bytes, cid)
      if (kind === 'leaf') leaves.set(cid.toString(), bytes.length)
      for (const link of links) await visit(link.cid)
    }
    await visit(root)
    return leaves
  }

  /** Bytes of the leaves that only one of two deltas has. */
  async function ownBytes(a: CID, b: CID): Promise<number> {
    const [ofA, ofB] = [await leavesOf(a), await leavesOf(b)]
    return [...ofA].filter(([cid]) => !ofB.has(cid)).reduce((sum, [, bytes]) => sum + bytes, 0)
  }

  const deltas = names.map((_, i) => gaussian(count, i + 1))

  it('share the leaves of their signs with bitdelta, whoever shares a scale', async () => {
    const matrix = await publish(deltas, 'bitdelta', {})
    for (const [parameters, scaleBytes] of [
      [{ factor: 2 }, 4],
      [{ scales: 'row' }, 2 * 256],
      [{ scales: 'group', scaleDtype: 'F32' }, 4 * 256 * 8],
    ] as const) {
      const sibling = await publish(deltas, 'bitdelta', parameters)
      assert.notEqual(sibling.toString(), matrix.toString())
      const own = await ownBytes(sibling, matrix)
      // No scale takes more than its width, but for a byte per plane.
      assert.ok(own > 0 && own <= names.length * (scaleBytes + 4), `${own} bytes`)
    }
  })

  it('share the leaves of all sign planes when their scales are fitted again', async () => {
    const codecs = await loadCodecs()
    const parameters = { bits: 3, scales: 'row', scaleDtype: 'F32' }
    const first = await publish(deltas, 'residual', parameters)
    const source = await openDelta(blockstore, first)
    // Another task: rows are stretched, and something is added that the planes do not know.
    const other = deltas.map((delta, i) => {
      const more = gaussian(count, 10 + i)
      return delta.map((value, at) => value * (1 + (at >> 10) / 256) + 0.1 * more[at]!)
    })
    const writer = createDeltaWriter(blockstore)
    for (const [i, delta] of other.entries()) {
      const [name, like] = [names[i]!, source.tensors.get(names[i]!)!]
      await writer.add((sink) =>
        refitScales(tensorOf(name, delta), like, source.sections(name), sink, { kernels }),
      )
    }
    const { cid } = await writer.finish(facts)
    assert.equal(await ownBytes(cid, first), names.length * 4 * 3 * 256)

    const sibling = await openDelta(blockstore, cid)
    for (const [i, name] of names.entries()) {
      const tensor = sibling.tensors.get(name)!
      const readBase = () => Promise.resolve()
      const residual = codecs.get('residual')
      await verifyTensor(residual, tensor, sibling.sections(name), readBase, { kernels })
      const decoded = await decode(sibling.sections(name), tensor)
      const before = await decode(source.sections(name), source.tensors.get(name)!)
      assert.ok(relativeError(other[i]!, decoded) < 0.06)
      assert.ok(relativeError(other[i]!, decoded) < 0.5 * relativeError(other[i]!, before))
    }

    async function decode(sections: Sections, tensor: EncodedTensor): Promise<Float32Array> {
      const reader = await codecs.get('residual').open(tensor, sections, { kernels })
      const out = kernels.allocate(count * 4)
      await reader.read(out, count, out)
      const values = out.f32.slice(0, count)
      reader.close()
      kernels.release(out)
      return values
    }
    assert.equal(kernels.allocated, 0)
  })

  it('must have one shape and the residual codec', async () => {
    const source = await openDelta(blockstore, await publish(deltas, 'bitdelta', {}))
    const like = source.tensors.get('a')!
    const sink = () => Promise.resolve()
    await assert.rejects(
      refitScales(tensorOf('a', deltas[0]!), like, source.sections('a'), sink, { kernels }),
      (error) => error instanceof IncompatibleError && error.id === 'E_SIBLING',
    )
  })
})
