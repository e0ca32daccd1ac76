import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { SwarmNode } from '../../node/node.ts'
import type { CodecRequest } from '../../node/roles/codec.ts'
import { publish, type Published } from '../../node/roles/publisher.ts'
import { demoPath } from '../support/shared.ts'
import { temporaryFolder, type TemporaryFolder } from './model-folders.ts'
import { openNode, quiet, until } from './nodes.ts'

describe('a delta that is published like another', function () {
  this.timeout(60_000)

  let folder: TemporaryFolder
  let author: SwarmNode
  let reader: SwarmNode
  let first: Published

  const residual = { codec: 'residual', parameters: { scales: 'row', bits: 2 } } as const

  /** The expert with its matrices stretched: another task that the same signs suit. */
  const publishStretched = (codec: CodecRequest, dryRun = false): Promise<Published> =>
    publish(
      author,
      {
        post: demoPath('digits-light'),
        base: demoPath('base'),
        name: 'stretched',
        codec,
        edits: [{ operator: 'scale', parameters: { alpha: 0.3 }, scope: 'matrices' }],
        licence: 'Apache-2.0',
        dryRun,
      },
      quiet,
    )

  before(async () => {
    folder = await temporaryFolder()
    author = await openNode(join(folder.path, 'author'), 'now')
    reader = await openNode(join(folder.path, 'reader'), 'now', [author])
    first = await publish(
      author,
      {
        post: demoPath('digits-light'),
        base: demoPath('base'),
        name: 'first',
        codec: residual,
        edits: [],
        licence: 'Apache-2.0',
      },
      quiet,
    )
  })
  after(async () => {
    await reader.stop()
    await author.stop()
    await folder[Symbol.asyncDispose]()
  })

  it('costs who has the other only its scales and its index', async () => {
    const tried = await publishStretched({ codec: 'residual', parameters: {}, like: 'first' }, true)
    const second = await publishStretched({ codec: 'residual', parameters: {}, like: 'first' })
    assert.equal(tried.id.toString(), second.id.toString())
    assert.deepEqual(tried.like, second.like)
    const { like, perTensor, bytes } = second
    assert.equal(like?.id, first.id.toString())
    const siblings = perTensor.filter(({ codec }) => codec === 'residual')
    assert.deepEqual([like?.tensors, like?.others], [siblings.length, 0])
    assert.ok(siblings.every(({ parameters }) => parameters['scales'] === 'row'))
    // What least squares make of a stretched delta and its signs loses as much as before.
    for (const { name, relativeError } of siblings) {
      const before = first.perTensor.find((tensor) => tensor.name === name)!.relativeError
      assert.ok(Math.abs(relativeError - before) < 1e-3, name)
    }

    const firstReceived = await fetchOnReader(first)
    const received = await fetchOnReader(second)
    assert.equal(firstReceived, first.bytes)
    assert.equal(received, bytes - like.bytes)
    const delta = await author.library.sources.delta(second.id)
    const scales = siblings.reduce((sum, { name }) => sum + delta.sections(name).bytes('scale'), 0)
    const nodes = await nodeBytes(second)
    assert.equal(received, scales + nodes)
    assert.ok(scales < 0.1 * (bytes - nodes), `${scales} of ${bytes - nodes}`)
  })

  it('has signs of its own where the other stores none', async () => {
    const scope = '*.layer.0.*'
    const { id } = await publish(
      author,
      {
        post: demoPath('digits-light'),
        base: demoPath('base'),
        name: 'half',
        codec: { ...residual, scope },
        edits: [],
        licence: 'Apache-2.0',
      },
      quiet,
    )
    const half = await author.library.sources.delta(id)
    const stored = [...half.tensors.values()].filter(({ codec }) => codec === 'residual').length
    const parameters = { bits: 1 }
    const { like, perTensor } = await publishStretched(
      { codec: 'residual', parameters, like: 'half' },
      true,
    )
    const matrices = perTensor.filter(({ codec }) => codec === 'residual')
    const own = matrices.filter(({ parameters: { bits } }) => bits === 1)
    assert.ok(own.length > 0)
    assert.deepEqual([like?.tensors, like?.others], [matrices.length - own.length, own.length])
    assert.ok(like!.tensors <= stored)
  })

  async function fetchOnReader({ id }: Published): Promise<number> {
    await until(async () => (await reader.library.list()).some(({ cid }) => cid.equals(id)), 'told')
    return reader.library.ensure(id, quiet)
  }

  /** Bytes of the root and the index nodes. */
  async function nodeBytes({ id }: Published): Promise<number> {
    const { root } = await author.library.sources.delta(id)
    const sizes = await Promise.all(
      [id, ...root.index].map(async (cid) => (await author.store.blocks.get(cid))!.length),
    )
    return sizes.reduce((sum, bytes) => sum + bytes, 0)
  }
})
