import assert from 'node:assert/strict'
import { describeError, errorText, exitCodes, RemoteError, usageError } from '../../node/errors.ts'
import {
  EnvironmentError,
  IncompatibleError,
  InvalidInputError,
  LimitError,
  MalformedError,
  NetworkError,
  NotAllowedError,
  NotFoundError,
  parseCid,
  VerificationError,
} from '../../src/index.ts'

const cid = parseCid('bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')

describe('describeError', () => {
  it('has an exit code for every class', () => {
    for (const [error, code, retryable] of [
      [new InvalidInputError('E_X', 'x'), 2, false],
      [new NotFoundError('E_X', 'x'), 3, false],
      [new NotAllowedError('E_X', 'x'), 4, false],
      [new MalformedError('E_X', 'x'), 5, false],
      [new VerificationError('E_X', 'x'), 5, false],
      [new IncompatibleError('E_X', 'x'), 6, false],
      [new LimitError('E_X', 'x'), 7, false],
      [new NetworkError('E_X', 'x'), 8, true],
      [new EnvironmentError('E_X', 'x'), 1, false],
      [new EnvironmentError('E_DAEMON_NEEDED', 'x'), 9, false],
      [new DOMException('stop', 'AbortError'), exitCodes.interrupted, true],
      [new TypeError('x is undefined'), 1, false],
    ] as const) {
      const { exit, retryable: again } = describeError(error)
      assert.deepEqual([exit, again], [code, retryable], String(error))
    }
    assert.equal(describeError('thrown text').message, 'thrown text')
  })

  it('is plain JSON: CIDs as text, bytes as hex, big numbers as text', () => {
    const error = new InvalidInputError('E_X', 'x', {
      expected: [cid, new Uint8Array([1, 255])],
      actual: { count: 2n ** 70n },
      details: { at: cid },
    })
    const document = describeError(error)
    assert.deepEqual(JSON.parse(JSON.stringify(document)), document)
    assert.deepEqual(document.expected, [cid.toString(), '01ff'])
    assert.deepEqual(document.actual, { count: (2n ** 70n).toString() })
    assert.deepEqual(document.details, { at: cid.toString() })
  })

  it('keeps the words of a daemon', () => {
    const document = describeError(new NotFoundError('E_REF', 'gone', { fix: 'look' }))
    assert.deepEqual(describeError(new RemoteError(document)), document)
  })
})

describe('errorText', () => {
  it('says what, why, and at most two ways out, one fact a line', () => {
    const error = new IncompatibleError('E_BASE_MISMATCH', 'another base', {
      expected: cid,
      actual: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
      fix: ['first', 'second', 'third'],
      details: { tensor: 'w' },
    })
    assert.deepEqual(errorText(describeError(error)).split('\n'), [
      '✗ E_BASE_MISMATCH  another base',
      `  expected  ${cid.toString()}`,
      '  given     a, b, c, d, e, f … and 1 more',
      '  tensor    w',
      '  fix       first',
      '            second',
    ])
  })

  it('lets no text from elsewhere move the cursor or fill the screen', () => {
    const error = new InvalidInputError('E_X', 'a\u001b[2Jb\u202ec', { actual: 'x'.repeat(9999) })
    const text = errorText(describeError(error))
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(text, /[\u001b\u202e]/)
    assert.ok(text.length < 500)
  })
})

describe('usageError', () => {
  it('turns a suggestion of commander into the way out', () => {
    const { id, exit, message, fix } = usageError("error: unknown command 'x'\n(Did you mean y?)")
    assert.deepEqual([id, exit, message], ['E_USAGE', 2, "unknown command 'x'"])
    assert.deepEqual(fix, ['did you mean y?'])
  })
})
