import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, type SwarmNode } from '../../node/node.ts'
import { publish } from '../../node/roles/publisher.ts'
import { cidOf } from '../../src/canonical.ts'
import {
  decodeIndex,
  decodeRoot,
  encodeIndex,
  encodeRoot,
} from '../../src/codecs/manifest/manifest.ts'
import { demoPath } from '../support/shared.ts'
import { configDefaults } from '../../node/config.ts'

const quiet = { signal: new AbortController().signal, onProgress: () => {} }

describe('a delta whose author lies about what it decodes to', () => {
  let home: string
  let node: SwarmNode

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'dswarm-'))
    node = await createNode({ ...configDefaults, home }, { online: 'never' })
  })
  after(async () => {
    await node.stop()
    await rm(home, { recursive: true, force: true })
  })

  it('is refused before anything is computed with it', async () => {
    const honest = await publish(
      node,
      {
        post: demoPath('kana-light'),
        base: demoPath('base'),
        name: 'kana',
        codec: { codec: 'bitdelta', parameters: {} },
        edits: [],
        licence: 'CC-BY-SA-3.0',
      },
      quiet,
    )
    await node.library.sources.delta(honest.id)

    const root = decodeRoot((await node.store.blocks.get(honest.id))!)
    const index = decodeIndex((await node.store.blocks.get(root.index[0]!))!)
    const [first, ...others] = index.tensors
    const lie = encodeIndex({
      ...index,
      tensors: [{ ...first!, sha256: new Uint8Array(32) }, ...others],
    })
    const forged = encodeRoot({ ...root, index: [cidOf(lie), ...root.index.slice(1)] })
    await node.store.blocks.put(cidOf(lie), lie)
    await node.store.blocks.put(cidOf(forged), forged)

    await assert.rejects(node.library.sources.delta(cidOf(forged)), {
      name: 'VerificationError',
      id: 'E_DECODED_HASH',
      expected: '00'.repeat(32),
    })
    assert.equal(await node.store.verified.get(cidOf(forged).toString()), undefined)
    assert.notEqual(await node.store.verified.get(honest.id.toString()), undefined)
  })
})
