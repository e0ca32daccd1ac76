import assert from 'node:assert/strict'
import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configDefaults } from '../../node/config.ts'
import { createNode, type SwarmNode } from '../../node/node.ts'
import { openFolder, writeFolder } from '../../src/index.ts'
import { bytesOf } from '../../src/tensors/tensor.ts'
import { quiet } from '../e2e/nodes.ts'
import { demoPath } from '../support/shared.ts'

describe('a registered base', () => {
  let home: string
  let node: SwarmNode

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'dswarm-'))
    node = await createNode({ ...configDefaults, home: join(home, 'home') }, { online: 'never' })
  })
  afterEach(async () => {
    await node.stop()
    await rm(home, { recursive: true, force: true })
  })

  for (const shards of ['one file', 'shards']) {
    it(`is not taken for what it was when ${shards} changed in place`, async () => {
      const path = join(home, 'base')
      await (shards === 'shards'
        ? writeShards(path)
        : cp(demoPath('base'), path, { recursive: true }))
      const { id } = await node.bases.register(path, quiet)
      assert.ok((await node.bases.open(id)).id.equals(id))

      const files = (await readdir(path)).filter((name) => name.endsWith('.safetensors'))
      assert.equal(files.length > 1, shards === 'shards')
      await flipLastByte(join(path, files.toSorted().at(-1)!))
      await assert.rejects(node.bases.open(id), { id: 'E_BASE_UNKNOWN' })
      await assert.rejects(node.bases.require(path, id, quiet), { id: 'E_BASE_MISMATCH' })
      assert.ok(!(await node.bases.register(path, quiet)).id.equals(id))
    })
  }
})

async function writeShards(path: string): Promise<void> {
  const { checkpoint, close } = await openFolder(demoPath('base'))
  await writeFolder(path, {
    tensors: checkpoint.tensors.values(),
    async *chunks(name) {
      const bytes = new Uint8Array(bytesOf(checkpoint.tensors.get(name)!))
      await checkpoint.read(name, 0, bytes)
      yield bytes
    },
    shardBytes: 1_000_000,
    sideFilesFrom: demoPath('base'),
  })
  await close()
}

/** As `cp` over a file does, which keeps its inode and its folder as they are. */
async function flipLastByte(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const { size } = await file.stat()
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  await file.write(Uint8Array.of(buffer[0]! ^ 1), 0, 1, size - 1)
  await file.close()
}
