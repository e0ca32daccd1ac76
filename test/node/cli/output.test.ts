import assert from 'node:assert/strict'
import { formatFigure, formatShare } from '../../../node/cli/figures.ts'
import { createPacer, formatDuration } from '../../../node/cli/pace.ts'
import { createOutput, formatBytes, formatNats } from '../../../node/cli/output.ts'

function outputOf(init: { isTTY?: boolean; columns?: number; json?: boolean; quiet?: boolean }) {
  const said = { stdout: '', stderr: '' }
  let time = 0
  const { json = false, quiet = false, ...shape } = init
  const output = createOutput(
    {
      stdout: { ...shape, write: (text: string) => void (said.stdout += text) },
      stderr: { ...shape, write: (text: string) => void (said.stderr += text) },
    },
    { json, quiet, now: () => time },
  )
  return { said, output, wait: (ms: number) => void (time += ms) }
}

const rows = [
  ['digits', '1.19 MB', 'a delta of the digits of a small vision transformer'],
  ['mix', '268 B', 'ties'],
]

describe('output', () => {
  it('aligns a table on a terminal, numbers to the right, without trailing blanks', () => {
    const { said, output } = outputOf({ isTTY: true, columns: 100 })
    output.table(['name', 'size', 'about'], rows)
    assert.equal(
      said.stdout,
      [
        'NAME       SIZE  ABOUT',
        'digits  1.19 MB  a delta of the digits of a small vision transformer',
        'mix       268 B  ties',
        '',
      ].join('\n'),
    )
  })

  it('shortens the last column to the width of the terminal', () => {
    const { said, output } = outputOf({ isTTY: true, columns: 40 })
    output.table(['name', 'size', 'about'], rows)
    const lines = said.stdout.split('\n')
    assert.ok(
      lines.every((line) => line.length <= 40),
      said.stdout,
    )
    assert.match(lines[1]!, /^digits {2}1\.19 MB {2}a delta of the digits…$/)
  })

  it('keeps the end of a name that is too long, where names differ', () => {
    const { said, output } = outputOf({ isTTY: true, columns: 30 })
    output.table(['size', 'tensor'], [['1 B', 'vit.encoder.layer.3.intermediate.dense.weight']])
    assert.match(said.stdout, /…termediate\.dense\.weight$/m)
  })

  it('separates columns by tabs in a pipe and shortens nothing', () => {
    const { said, output } = outputOf({ columns: 20 })
    output.table(['name', 'size', 'about'], rows)
    assert.equal(
      said.stdout,
      `name\tsize\tabout\n${rows.map((row) => `${row.join('\t')}\n`).join('')}`,
    )
  })

  it('lets no name from elsewhere move the cursor or break a row', () => {
    for (const isTTY of [true, false]) {
      const { said, output } = outputOf({ isTTY })
      output.table(['name', 'x'], [['\u001b[2Jevil\tname\nrow\u202e', '1']])
      assert.doesNotMatch(said.stdout, /[\u001b\u202e]|evil\t|evil\n/)
      assert.equal(said.stdout.split('\n').length, 3)
    }
  })

  it('draws a bar on a terminal at most ten times a second and removes it', () => {
    const { said, output, wait } = outputOf({ isTTY: true, columns: 80 })
    for (let done = 1; done <= 100; done++) {
      wait(10)
      output.progress({ phase: 'hashing', done, total: 100 })
    }
    assert.equal(said.stderr.split('\r\u001b[2K').length - 1, 10)
    assert.match(said.stderr, /hashing {2}100 % {2}100 of 100$/)
    output.line('done')
    assert.ok(said.stderr.endsWith('\r\u001b[2K'))
    assert.equal(said.stdout, 'done\n')
  })

  it('writes a line every ten seconds in a pipe', () => {
    const { said, output, wait } = outputOf({})
    for (let second = 1; second <= 35; second++) {
      wait(1000)
      output.progress({ phase: 'hashing', done: second * 1e6, total: 40e6, unit: 'bytes' })
    }
    assert.deepEqual(said.stderr.split('\n'), [
      'hashing  25 %  10.0 MB of 40.0 MB',
      'hashing  50 %  20.0 MB of 40.0 MB  1.00 MB/s  20 s left',
      'hashing  75 %  30.0 MB of 40.0 MB  1.00 MB/s  10 s left',
      '',
    ])
  })

  for (const mode of [{ json: true }, { quiet: true }]) {
    it(`says nothing about the answer with ${Object.keys(mode)[0]}`, () => {
      const { said, output, wait } = outputOf({ isTTY: true, ...mode })
      output.note('a hint')
      wait(60_000)
      output.progress({ phase: 'hashing', done: 1, total: 2 })
      output.settle()
      assert.deepEqual(said, { stdout: '', stderr: '' })
    })
  }
})

describe('formatBytes', () => {
  it('gives three significant digits and never rounds to 0 or to 1000', () => {
    assert.deepEqual(
      [0, 1, 999, 1000, 1234, 99_950, 999_499, 999_950, 1e6, 1.85e6, 999.7e6, 2e9, 5e12].map(
        formatBytes,
      ),
      [
        '0 B',
        '1 B',
        '999 B',
        '1.00 kB',
        '1.23 kB',
        '100 kB',
        '999 kB',
        '1.00 MB',
        '1.00 MB',
        '1.85 MB',
        '1.00 GB',
        '2.00 GB',
        '5.00 TB',
      ],
    )
  })
})

describe('formatFigure', () => {
  it('gives three significant digits, a minus that is one, and a dash for nothing', () => {
    assert.deepEqual([0, 9.0437, -0.0608, 0.00084249, 123456, 2e-9, null].map(formatFigure), [
      '0',
      '9.04',
      '−0.0608',
      '0.000842',
      '123456',
      '2.00e-9',
      '–',
    ])
    assert.deepEqual([0.97444, 0, null].map(formatShare), ['97.4 %', '0.0 %', '–'])
  })
})

describe('formatNats', () => {
  it('always has a sign and four decimals', () => {
    assert.deepEqual([0.00254, -0.0123, 0].map(formatNats), ['+0.0025', '−0.0123', '+0.0000'])
  })
})

describe('pace', () => {
  const phase = 'measuring'

  it('says nothing for three seconds, then the rate of the last ten', () => {
    const paceOf = createPacer()
    assert.deepEqual(paceOf({ phase, done: 0, total: 100 }, 0), {})
    assert.deepEqual(paceOf({ phase, done: 10, total: 100 }, 2_900), {})
    assert.deepEqual(paceOf({ phase, done: 20, total: 100 }, 4_000), { rate: 5, secondsLeft: 16 })
    // What came before the window does not count.
    assert.deepEqual(paceOf({ phase, done: 60, total: 100 }, 14_000), { rate: 4, secondsLeft: 10 })
  })

  it('starts anew with a phase, and promises no end to what stands still', () => {
    const paceOf = createPacer()
    paceOf({ phase, done: 0, total: 100 }, 0)
    assert.deepEqual(paceOf({ phase, done: 0, total: 100 }, 5_000), {})
    assert.deepEqual(paceOf({ phase: 'writing', done: 50, total: 100 }, 6_000), {})
  })

  it('is told in two units at most', () => {
    assert.deepEqual([0.2, 59, 61, 3_600, 7_325].map(formatDuration), [
      '1 s',
      '59 s',
      '1 m 1 s',
      '1 h 0 m',
      '2 h 2 m',
    ])
  })
})
