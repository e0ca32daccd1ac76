import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { castCheckpoint } from '../../../src/checkpoints/cast.ts'
import { openFolder } from '../../../src/checkpoints/folder.ts'
import { writeFolder } from '../../../src/checkpoints/write-folder.ts'
import { loadCodecs } from '../../../src/codecs/index.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import type { Checkpoint } from '../../../src/tensors/checkpoint.ts'
import { bytesOf, type TensorSpec } from '../../../src/tensors/tensor.ts'
import { skip } from '../../support/shared.ts'
import { command, demoPath, openWorkplace, start, type Workplace } from './command.ts'

const base = demoPath('base')
const fine = demoPath('digits-light')

/** The facts that every refusal owes: the id, its exit code, both values and a way out. */
async function refused(argv: readonly string[], id: string, code: number) {
  const ran = await command([...argv, '--json'])
  assert.deepEqual([ran.code, ran.stdout], [code, ''], `${argv.join(' ')}: ${ran.stderr}`)
  const error = ran.error()
  assert.deepEqual([error.id, error.exit], [id, code])
  assert.ok(error.expected !== undefined, `${id} does not say what it expected`)
  assert.ok(error.actual !== undefined, `${id} does not say what it got`)
  assert.ok(error.fix.length > 0, `${id} does not say what to do`)
  return error
}

describe('bad input at the command line', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    await done(['publish', fine, '--base', base, '-n', 'digits'])
    await changed('bf16', (checkpoint) => castCheckpoint(checkpoint, 'BF16', openKernels()), base)
    await changed('bf16-fine', (checkpoint) => castCheckpoint(checkpoint, 'BF16', openKernels()))
    await done(['publish', place.path('bf16-fine'), '--base', place.path('bf16'), '-n', 'half'])
    await changed('nan', (checkpoint) => overwritten(checkpoint, [0, 0, 0xc0, 0x7f]))
    await changed('reshaped', reshaped)
    await changed('short', (checkpoint) => without(checkpoint, 'classifier.bias'))
  })
  after(() => place.remove())

  const done = async (argv: readonly string[]): Promise<void> => {
    const { code, stderr } = await command([...argv, '--home', home])
    assert.equal(code, 0, stderr)
  }

  /** Publishing fails and leaves nothing behind that a list would show. */
  const unpublished = async (words: readonly string[], id: string, code: number) => {
    const before = await command(['ls', '--json', '--home', home])
    const error = await refused(['publish', ...words, '-n', 'bad', '--home', home], id, code)
    assert.equal((await command(['ls', '--json', '--home', home])).stdout, before.stdout)
    return error
  }

  it('names an unknown codec and the nearest one', async () => {
    const error = await unpublished(
      [fine, '--base', base, '--codec', 'bitdetla'],
      'E_UNKNOWN_CODEC',
      2,
    )
    assert.equal(error.actual, 'bitdetla')
    assert.deepEqual(error.fix, ['did you mean bitdelta?'])
  })

  it('names an unknown operator', async () => {
    await unpublished([fine, '--base', base, '--edit', 'daer=p:0.5'], 'E_UNKNOWN_OPERATOR', 2)
  })

  it('names a parameter that is unknown or out of range', async () => {
    const error = await unpublished(
      [fine, '--base', base, '--codec', 'sparse=mask:seeded,drop:1.5'],
      'E_PARAMETER_RANGE',
      2,
    )
    assert.equal(error.actual, 1.5)
    await unpublished([fine, '--base', base, '--codec', 'raw=level:3'], 'E_UNKNOWN_PARAMETER', 2)
    await unpublished([fine, '--base', base, '--edit', 'dare=p:-1'], 'E_PARAMETER_RANGE', 2)
  })

  it('refuses values of every edit that are out of range, and says the range', async () => {
    for (const [edit, expected, actual] of [
      ['dare=p:1.5', 'in [0, 1]', 1.5],
      ['drop=p:-0.1', 'in [0, 1]', -0.1],
      ['trim=density:2', 'in [0, 1]', 2],
      ['scale=alpha:half', 'in [-2, 4]', 'half'],
      ['dare=seed:0.5', 'a whole number from 0 on', 0.5],
      ['through=codec:sparse,drop:7', 'in [0, 1]', 7],
    ] as const) {
      const argv = ['edit', 'digits', edit, '--home', home]
      const error = await refused(argv, 'E_PARAMETER_RANGE', 2)
      assert.deepEqual([error.expected, error.actual], [expected, actual], edit)
    }
  })

  it('says what a seed is', async () => {
    for (const seed of ['1.5', '-1', 'x']) {
      const argv = ['edit', 'digits', 'dare=p:0.5', '--seed', seed, '--home', home]
      const error = await refused(argv, 'E_INPUT', 2)
      assert.deepEqual(error.expected, ['a whole number from 0 on'])
    }
  })

  it('names the parameter that was meant', async () => {
    const argv = ['edit', 'digits', 'trim=densty:0.5', '--home', home]
    const error = await refused(argv, 'E_UNKNOWN_PARAMETER', 2)
    assert.deepEqual(error.fix, ['did you mean density?'])
  })

  it('refuses a scope that is none or reaches nothing, and an exact codec as an edit', async () => {
    for (const [edit, id, code] of [
      ['scale=alpha:1,scope:!*', 'E_SCOPE', 2],
      ['scale=alpha:1,scope:*.nothing.*', 'E_EMPTY_SCOPE', 6],
      ['through=codec:raw', 'E_EXACT_CODEC', 2],
    ] as const) {
      await refused(['edit', 'digits', edit, '--home', home], id, code)
    }
  })

  it('refuses a second delta that is unknown, of another base, or not asked for', async () => {
    for (const [by, id, code] of [
      ['nothing', 'E_REF', 3],
      ['half', 'E_BASE_MISMATCH', 6],
      ['digits', 'E_ARITY', 2],
    ] as const) {
      await refused(['edit', 'digits', `scale=alpha:1,by:${by}`, '--home', home], id, code)
    }
  })

  it('refuses a seed for what draws nothing, a codec for a recipe, a delta without a name', async () => {
    for (const [flags, id] of [
      [['--seed', '7'], 'E_NO_SEED'],
      [['--seed', '-1'], 'E_INPUT'],
      [['--codec', 'bitdelta'], 'E_CODEC_ALONE'],
      [['--materialise'], 'E_NAME_NEEDED'],
      [['--materialise', '-n', 'x', '--codec', 'bitdetla'], 'E_UNKNOWN_CODEC'],
      [['--mode', 'papre'], 'E_INPUT'],
    ] as const) {
      await refused(['edit', 'digits', 'scale=alpha:1', ...flags, '--home', home], id, 2)
    }
  })

  it('refuses a file that is not there, and a folder without a model', async () => {
    const argv = ['publish', place.path('nowhere'), '--base', base, '-n', 'bad', '--home', home]
    const { code, stderr } = await command([...argv, '--json'])
    assert.deepEqual([code, JSON.parse(stderr).error.id], [3, 'E_FILE_MISSING'])
    await mkdir(place.path('empty'))
    await unpublished([place.path('empty'), '--base', base], 'E_MODEL_MISSING', 3)
  })

  it('refuses a fine-tune that is the base', async () => {
    await unpublished([base, '--base', base], 'E_NO_DIFFERENCE', 2)
  })

  it('refuses a fine-tune of other shapes, dtypes or names', async () => {
    for (const [folder, kind] of [
      ['bf16-fine', 'dtype'],
      ['reshaped', 'shape'],
      ['short', 'missing'],
    ] as const) {
      const error = await unpublished(
        [place.path(folder), '--base', base],
        'E_CHECKPOINTS_DIFFER',
        6,
      )
      const { mismatches } = error.details as { mismatches: { kind: string }[] }
      assert.ok(
        mismatches.every((mismatch) => mismatch.kind === kind),
        kind,
      )
    }
  })

  it('refuses a fine-tune with NaN and names the tensor', async () => {
    for (const how of [[], ['--codec', 'bitdelta'], ['--edit', 'scale=alpha:0.5']]) {
      const argv = [place.path('nan'), '--base', base, ...how]
      const error = await unpublished(argv, 'E_NOT_FINITE', 5)
      assert.match(error.message, /^element 0 of 'classifier\.bias' is not finite/)
    }
  })

  it('refuses another base, and says when it is the right one in another dtype', async () => {
    const out = place.path('out')
    for (const [delta, folder, id] of [
      ['digits', demoPath('kana-light'), 'E_BASE_MISMATCH'],
      ['half', base, 'E_BASE_DTYPE'],
    ] as const) {
      for (const argv of [
        ['export', delta, '-o', out],
        ['merge', delta],
      ]) {
        const error = await refused([...argv, '--base', folder, '--home', home], id, 6)
        assert.match(error.expected as string, /^bafyrei/)
        assert.match(error.actual as string, /^bafyrei.* in \//)
        if (id === 'E_BASE_DTYPE') assert.match(error.message, /the delta needs them in BF16/)
      }
      await assert.rejects(stat(out), { code: 'ENOENT' })
    }
  })

  it('refuses to write over what is there', async () => {
    const out = place.path('taken')
    await mkdir(join(out, 'mine'), { recursive: true })
    await refused(['export', 'digits', '-o', out, '--home', home], 'E_TARGET_EXISTS', 2)
    assert.deepEqual(await readdir(out), ['mine'])
  })

  it('refuses a suite that nobody knows, and data that is text', async () => {
    const argv = ['evaluate', 'digits', '--home', home]
    await refused([...argv, '--data', 'nobody'], 'E_UNKNOWN_SUITE', 3)
    const text = demoPath('LICENCES.md')
    const error = await refused(['data', 'add', text, '-n', 'x', '--home', home], 'E_DATA_KIND', 2)
    assert.match(error.fix[0]!, /not tokenised/)
  })

  it('refuses a name that could be a path or a control sequence', async () => {
    for (const name of ['../x', 'a b', '\u001b[2J', '', 'x'.repeat(65), '-n']) {
      const argv = ['publish', fine, '--base', base, `--name=${name}`, '--home', home]
      await refused(argv, 'E_INPUT', 2)
    }
  })

  it('refuses a key that others can read, and touches nothing', async () => {
    const open = place.path('open')
    await command(['init', '--home', open])
    await chmod(join(open, 'keys/node.key'), 0o644)
    const error = await refused(['ls', '--home', open], 'E_KEY_MODE', 4)
    assert.deepEqual([error.expected, error.actual], ['mode 0600', 'mode 0644'])
    assert.match(error.fix[0]!, /^chmod 600 /)
    assert.deepEqual(await readdir(open), ['keys'])
    await chmod(join(open, 'keys/node.key'), 0o600)
    assert.equal((await command(['ls', '--home', open])).code, 0)
  })

  it('refuses an address that is none, to listen on and to dial', async () => {
    for (const flag of ['--listen', '--peer']) {
      await refused(['up', flag, 'garbage', '--home', home], 'E_ADDRESS', 2)
    }
  })

  it('refuses garbage before it makes a home', async () => {
    const fresh = place.path('fresh')
    await refused(['search', '--data', 'x', '--rounds', '0', '--home', fresh], 'E_INPUT', 2)
    await assert.rejects(stat(fresh), { code: 'ENOENT' })
  })

  it('names a port that is in use, attached and detached', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    const listen = `/ip4/127.0.0.1/tcp/${address.port}`
    for (const flags of [[], ['-d']]) {
      const argv = ['up', ...flags, '--listen', listen, '--home', place.path('busy')]
      const error = await refused(argv, 'E_PORT_IN_USE', 1)
      assert.equal(error.actual, listen)
    }
    server.close()
    // What failed to start holds nothing.
    assert.equal((await command(['ls', '--home', place.path('busy')])).code, 0)
  })

  it('names an address that cannot be read, and one where nobody listens', async () => {
    const argv = ['fetch', 'digits', '--home', place.path('far'), '--peer']
    const ran = await command([...argv, 'example.org:4100', '--json'])
    assert.deepEqual([ran.code, ran.error().id], [2, 'E_ADDRESS'])
    await refused([...argv, '/ip4/127.0.0.1/tcp/1'], 'E_DIAL', 8)
  })

  it('says whose daemon it is when its socket is another user’s', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can start a process of another user')
    const other = place.path('other')
    await mkdir(other)
    const server = createServer().listen(join(other, 'api.sock'))
    await once(server, 'listening')
    await chmod(join(other, 'api.sock'), 0o600)
    await chmod(other, 0o755)
    await chmod(place.folder, 0o755)
    const child = start(['ls', '--json', '--home', other], { uid: 65534, gid: 65534 })
    const ran = await child.ended
    server.close()
    const { id, exit, fix } = ran.error()
    assert.deepEqual([id, exit, ran.code], ['E_SOCKET_DENIED', 4, 4])
    assert.ok(fix.length > 0)
  })

  it('prints a refusal as what, why and a way out', async () => {
    const { ids } = await loadCodecs()
    const argv = ['publish', fine, '--base', base, '-n', 'x', '--codec', 'bitdetla', '--home', home]
    const { code, stdout, stderr } = await command(argv)
    assert.deepEqual([code, stdout], [2, ''])
    assert.deepEqual(stderr.split('\n'), [
      "✗ E_UNKNOWN_CODEC  there is no codec 'bitdetla'",
      `  expected  ${ids.slice(0, 6).join(', ')} … and ${ids.length - 6} more`,
      '  given     bitdetla',
      '  fix       did you mean bitdelta?',
      '',
    ])
  })

  async function changed(
    name: string,
    change: (checkpoint: Checkpoint) => Checkpoint,
    from = fine,
  ): Promise<void> {
    const folder = await openFolder(from)
    const checkpoint = change(folder.checkpoint)
    await writeFolder(place.path(name), {
      tensors: checkpoint.tensors.values(),
      chunks: (tensor) => whole(checkpoint, checkpoint.tensors.get(tensor)!),
      sideFilesFrom: from,
    })
    await folder.close()
  }
})

async function* whole(checkpoint: Checkpoint, spec: TensorSpec): AsyncGenerator<Uint8Array> {
  const bytes = new Uint8Array(bytesOf(spec))
  await checkpoint.read(spec.name, 0, bytes)
  yield bytes
}

/** The first bytes of `classifier.bias` replaced. */
function overwritten(checkpoint: Checkpoint, bytes: readonly number[]): Checkpoint {
  return {
    tensors: checkpoint.tensors,
    async read(name, offset, into) {
      await checkpoint.read(name, offset, into)
      if (name === 'classifier.bias' && offset === 0) into.set(bytes)
    },
  }
}

function reshaped(checkpoint: Checkpoint): Checkpoint {
  const spec = checkpoint.tensors.get('classifier.bias')!
  const tensors = new Map(checkpoint.tensors)
  tensors.set(spec.name, { ...spec, shape: [1, ...spec.shape] })
  return { ...checkpoint, tensors, read: checkpoint.read.bind(checkpoint) }
}

function without(checkpoint: Checkpoint, name: string): Checkpoint {
  const tensors = new Map([...checkpoint.tensors].filter(([key]) => key !== name))
  return { ...checkpoint, tensors, read: checkpoint.read.bind(checkpoint) }
}
