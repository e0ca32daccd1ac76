import assert from 'node:assert/strict'
import { parseCommand } from '../../../node/cli/command-line.ts'
import type { Streams } from '../../../node/cli/output.ts'
import { isJobVerb, loadVerbs, type Verb } from '../../../node/cli/verbs/index.ts'
import { describeError } from '../../../node/errors.ts'
import { checkInput } from '../../../node/jobs.ts'
import { command } from './command.ts'

const verbs = await loadVerbs()
const all: readonly Verb[] = verbs.ids.map((id) => verbs.get(id))
const deaf: Streams = { stdout: { write: () => {} }, stderr: { write: () => {} } }

describe('the verbs', () => {
  it('are these', () => {
    assert.deepEqual(verbs.ids, [
      'data',
      'demo',
      'diff',
      'doctor',
      'down',
      'edit',
      'evaluate',
      'export',
      'fetch',
      'init',
      'inspect',
      'leaderboard',
      'ls',
      'merge',
      'peers',
      'publish',
      'search',
      'status',
      'up',
    ])
  })

  for (const verb of all) {
    describe(verb.id, () => {
      it('says what it does in one line', () => {
        assert.match(verb.summary, /^[a-z].{10,98}[^.]$/)
      })

      it('explains every argument and option, and shows an example, in --help', async () => {
        const { code, stdout, stderr } = await command([verb.id, '--help'])
        assert.deepEqual([code, stderr], [0, ''])
        for (const [name, about] of verb.arguments ?? []) {
          assert.ok(stdout.includes(name.replace(/[<>[\].]/g, '')), name)
          assert.ok(stdout.replace(/\s+/g, ' ').includes(about), about)
        }
        for (const { flags, about } of verb.options ?? []) {
          assert.ok(stdout.includes(flags), flags)
          assert.ok(stdout.replace(/\s+/g, ' ').includes(about), about)
        }
        for (const flags of ['--json', '-q, --quiet', '--home <dir>', '-h, --help']) {
          assert.ok(stdout.includes(flags), flags)
        }
        assert.match(stdout, new RegExp(`\nExamples:\n  deltaswarm ${verb.id}`))
        assert.ok(stdout.split('\n').every((line) => line.length <= 100))
      })

      it('understands its own examples', async () => {
        for (const argv of examplesOf(verb)) {
          const { verb: understood, parsed } = await parseCommand(argv, deaf)
          assert.equal(understood.id, verb.id)
          if (isJobVerb(understood)) checkInput(understood, understood.parse(parsed))
        }
      })

      it('refuses an unknown option with exit code 2', async () => {
        const needed = (verb.options ?? []).filter(({ required }) => required === true)
        const filled = needed.flatMap(({ flags }) => [/--[a-z-]+/.exec(flags)![0], 'x'])
        const argv = [verb.id, '--no-such-flag', ...filled]
        const { code, stdout, stderr } = await command(argv)
        assert.deepEqual([code, stdout], [2, ''])
        assert.equal(stderr, "✗ E_USAGE  unknown option '--no-such-flag'\n")
      })

      if (!isJobVerb(verb)) return

      it('takes no input that is not its own', () => {
        for (const input of [null, 7, 'text', [], { nonsense: true }]) {
          assert.throws(
            () => checkInput(verb, input),
            (error) => {
              const { id, exit, expected, actual, fix } = describeError(error)
              assert.deepEqual([id, exit], ['E_INPUT', 2])
              assert.ok(expected !== undefined && actual !== undefined)
              assert.deepEqual(fix, [`deltaswarm ${verb.id} --help`])
              return true
            },
          )
        }
      })

      it('has ids for -q', () => {
        assert.equal(typeof verb.ids, 'function')
      })
    })
  }
})

describe('help', () => {
  it('lists edits, merges and codecs with their parameters where they are asked for', async () => {
    for (const [verb, entry, parameter] of [
      ['edit', 'dare', 'p:0.9'],
      ['merge', 'ties', 'density:0.2'],
      ['publish', 'sparse', 'mask:explicit'],
    ] as const) {
      const { stdout } = await command([verb, '--help'])
      assert.match(stdout, new RegExp(`^  ${entry} {2,}\\S.*\n    ${parameter} `, 'm'))
    }
  })
})

describe('the program', () => {
  it('shows its help on stdout when nothing is asked', async () => {
    const { code, stdout, stderr } = await command([])
    assert.deepEqual([code, stderr], [0, ''])
    for (const { id } of all) assert.match(stdout, new RegExp(`^  ${id}\\b`, 'm'))
    assert.match(stdout, /Exit codes: 0 done/)
    assert.equal((await command(['--help'])).stdout, stdout)
  })

  it('says its version', async () => {
    for (const flag of ['-V', '--version']) {
      const { code, stdout } = await command([flag])
      assert.equal(code, 0)
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
    }
  })

  it('suggests the verb that was meant', async () => {
    const { code, stdout, stderr } = await command(['pubish'])
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^✗ E_USAGE {2}unknown command 'pubish'\n {2}fix .*publish/)
  })

  it('says usage errors as JSON where JSON is asked for', async () => {
    for (const [argv, message] of [
      [['ls', '--jsn', '--json'], "unknown option '--jsn'"],
      [['inspect', '--json'], "missing required argument 'ref'"],
      [['inspect', 'a', 'b', '--json'], /too many arguments/],
      [['export', 'x', '--json'], /required option '-o, --out <dir>' not specified/],
      [['nonsense', '--json'], "unknown command 'nonsense'"],
    ] as const) {
      const ran = await command(argv)
      assert.deepEqual([ran.code, ran.stdout], [2, ''])
      const { id, exit, message: said } = ran.error()
      assert.deepEqual([id, exit], ['E_USAGE', 2])
      if (typeof message === 'string') assert.equal(said, message)
      else assert.match(said, message)
    }
  })

  it('names every option that it cannot take, with what was typed', async () => {
    const ran = await command([
      'search',
      '--data',
      'x',
      '--rounds',
      'many',
      '--proposals',
      '0',
      '--json',
    ])
    const { id, message, expected, actual } = ran.error()
    assert.deepEqual([ran.code, id], [2, 'E_INPUT'])
    assert.equal(message, 'search cannot take `rounds`, `proposals`')
    assert.equal((expected as string[]).length, 2)
    assert.deepEqual(actual, ['many', 0])
  })
})

/** Command lines of a verb's examples; a backslash continues a line, quotes are a shell's. */
function examplesOf(verb: Verb): string[][] {
  return verb.examples
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.split(/\s+/).slice(1))
    .map((words) => words.map((word) => word.replace(/^'(.*)'$/, '$1')))
}
