import assert from 'node:assert/strict'
import { writeFolder } from '../../../src/checkpoints/write-folder.ts'
import { openFolder } from '../../../src/checkpoints/folder.ts'
import { weightsId } from '../../../src/checkpoints/weights-id.ts'
import type { DType } from '../../../src/tensors/dtype.ts'
import { bytesOf } from '../../../src/tensors/tensor.ts'
import { memoryCheckpoint } from '../../checkpoints/memory.ts'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

type Entries = Readonly<Record<string, readonly [DType, readonly number[], NodeJS.TypedArray]>>

const floats = (...values: number[]): Float32Array => Float32Array.from(values)

/** What a model may hold besides matrices, all of it in layers so that names do not decide. */
const base: Entries = {
  'layers.0.weight': ['F32', [2, 3], floats(1, 2, 3, 4, 5, 6)],
  'layers.0.equal': ['F32', [2, 2], floats(1, 1, 1, 1)],
  'layers.0.one': ['F32', [1, 1], floats(1)],
  'layers.0.scalar': ['F32', [], floats(1)],
  'layers.0.bias': ['F32', [3], floats(1, 2, 3)],
  'layers.0.patch': ['F32', [2, 1, 2, 1], floats(1, 2, 3, 4)],
  'layers.0.none': ['F32', [0, 3], floats()],
  'layers.0.steps': ['I64', [1], BigInt64Array.of(5n)],
}

const post: Entries = {
  ...base,
  'layers.0.weight': ['F32', [2, 3], floats(1.5, 1.75, 3.25, 3.5, 5, 7)],
  'layers.0.equal': ['F32', [2, 2], floats(1.5, 1.5, 1.5, 1.5)],
  'layers.0.one': ['F32', [1, 1], floats(1.25)],
  'layers.0.scalar': ['F32', [], floats(2)],
  'layers.0.bias': ['F32', [3], floats(1.5, 2, 3)],
  'layers.0.patch': ['F32', [2, 1, 2, 1], floats(1.5, 2, 3, 4)],
}

describe('tensors that are no matrices, at the command line', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    await write('base', base)
    await write('post', post)
    const { code, stderr } = await publish('post', '-n', 'odd')
    assert.equal(code, 0, stderr)
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> => command([...argv, '--home', home])
  const ask = async (...argv: readonly string[]) => (await run(...argv, '--json')).json()
  const publish = (name: string, ...rest: readonly string[]): Promise<Ran> =>
    run('publish', place.path(name), '--base', place.path('base'), ...rest)

  it('are published, and what is equal is left out', async () => {
    const { tensors } = (await ask('inspect', 'odd', '--tensors')) as {
      tensors: { name: string }[]
    }
    assert.deepEqual(
      tensors.map(({ name }) => name.slice('layers.0.'.length)),
      ['bias', 'equal', 'one', 'patch', 'scalar', 'weight'],
    )
  })

  it('pass through edits of matrices and are listed', async () => {
    const { preview } = (await ask('edit', 'odd', 'dare=p:0.5,seed:1', '--dry-run')) as {
      preview: { steps: { tensors: number; passes: string[] }[]; untouched: number }
    }
    assert.equal(preview.steps[0]!.tensors, 3)
    assert.deepEqual(preview.steps[0]!.passes, [
      'layers.0.bias',
      'layers.0.patch',
      'layers.0.scalar',
    ])
    assert.equal(preview.untouched, 2, 'the integers and the empty one')
  })

  for (const edit of [
    'dare=p:0.5,seed:1,scope:all',
    'dare=p:1,scope:all',
    'drop=p:0.5,scope:all',
    'trim=density:0.5,scope:all',
    'trim=density:0,over:all,scope:all',
    'scale=alpha:-1',
    'through=codec:bitdelta,scope:all',
    'through=codec:sparse,scope:all',
  ]) {
    it(`stay finite under ${edit}, stored and as a recipe`, async () => {
      const name = edit.replace(/[=,:]/g, '-')
      await ask('edit', 'odd', edit, '-n', name)
      await ask('edit', 'odd', edit, '-n', `${name}-stored`, '--materialise')
      const ids: string[] = []
      for (const ref of [name, `${name}-stored`]) {
        await ask('export', ref, '-o', place.path(`out-${ref}`))
        const folder = await openFolder(place.path(`out-${ref}`))
        for (const { name: tensor, dtype, shape } of folder.checkpoint.tensors.values()) {
          const bytes = new Uint8Array(bytesOf({ dtype, shape }))
          await folder.checkpoint.read(tensor, 0, bytes)
          if (dtype === 'I64') assert.deepEqual([...new BigInt64Array(bytes.buffer)], [5n])
          else assert.ok(new Float32Array(bytes.buffer).every(Number.isFinite), tensor)
        }
        ids.push((await weightsId(folder.checkpoint)).id.toString())
        await folder.close()
      }
      assert.equal(ids[0], ids[1])
    })
  }

  it('cannot be integers that differ', async () => {
    await write('counted', { ...post, 'layers.0.steps': ['I64', [1], BigInt64Array.of(6n)] })
    const refused = await publish('counted', '-n', 'counted', '--json')
    const { id, exit, details, fix } = refused.error()
    assert.deepEqual([id, exit], ['E_CHECKPOINTS_DIFFER', 6])
    assert.match(JSON.stringify(details), /layers\.0\.steps/)
    assert.match(fix[0]!, /integer tensors/)
  })

  async function write(name: string, entries: Entries): Promise<void> {
    const checkpoint = memoryCheckpoint(entries)
    await writeFolder(place.path(name), {
      tensors: checkpoint.tensors.values(),
      async *chunks(tensor) {
        const bytes = new Uint8Array(bytesOf(checkpoint.tensors.get(tensor)!))
        await checkpoint.read(tensor, 0, bytes)
        yield bytes
      },
      sideFilesFrom: demoPath('base'),
    })
  }
})
