import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  formatJson,
  type JsonValue,
  parseJsonFile,
  parseStrictJson,
} from '../../src/checkpoints/strict-json.ts'
import { MalformedError } from '../../src/errors.ts'

/** What JSON.parse would give, with Maps back as objects. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item as JsonValue)]))
  }
  return Array.isArray(value) ? value.map((item) => plain(item as JsonValue)) : value
}

describe('strict JSON', () => {
  it('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value, null, 1)
        assert.deepEqual(
          plain(parseStrictJson(text)),
          plain(parseStrictJson(JSON.stringify(value))),
        )
        assert.equal(JSON.stringify(plain(parseStrictJson(text))), JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 300 },
    )
  })

  it('accepts a text exactly when JSON.parse does, apart from what it refuses by name', () => {
    const token = fc.constantFrom(...'{}[],:"\\ue0123456789-+.eE \n\ttruefalsn'.split(''))
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('')
        const accepts = (parse: (text: string) => unknown): boolean => {
          try {
            parse(text)
            return true
          } catch {
            return false
          }
        }
        if (accepts(parseStrictJson)) assert.ok(accepts(JSON.parse), text)
        else if (accepts(JSON.parse)) assert.match(text, /[eE]|\\u|"/, text)
      }),
      { numRuns: 2000 },
    )
  })

  const refused: Readonly<Record<string, string>> = {
    'a key that occurs twice': '{"a":1,"a":1}',
    'a key that occurs twice in another spelling': '{"a":1,"\\u0061":1}',
    'a number that overflows': '1e400',
    'a lone surrogate': '"\\ud800"',
    'a raw control character': '"\n"',
    'a leading zero': '01',
    'a trailing comma': '[1,]',
    'a byte order mark': '\ufeff{}',
    'a comment': '{} // x',
    'two values': '{}{}',
    NaN: 'NaN',
    'an open string': '"abc',
    nothing: '',
  }
  for (const [name, text] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseStrictJson(text), { name: 'MalformedError', id: 'E_BAD_JSON' })
    })
  }

  it('refuses nesting above its cap without recursing into it', () => {
    assert.throws(() => parseStrictJson('['.repeat(200_000)), { id: 'E_BAD_JSON' })
    assert.ok(Array.isArray(parseStrictJson('['.repeat(32) + ']'.repeat(32))))
    assert.throws(() => parseStrictJson('['.repeat(33) + ']'.repeat(33)), MalformedError)
  })

  it('keeps __proto__ and constructor as ordinary keys', () => {
    const value = parseStrictJson('{"__proto__":1,"constructor":2}') as Map<string, JsonValue>
    assert.deepEqual(
      [...value],
      [
        ['__proto__', 1],
        ['constructor', 2],
      ],
    )
  })

  it('takes only safe integers when asked to', () => {
    for (const text of ['1.0', '1e2', '9007199254740992', '-9007199254740993', '1.5']) {
      assert.throws(() => parseStrictJson(text, { integers: true }), MalformedError, text)
    }
    assert.equal(parseStrictJson('9007199254740991', { integers: true }), Number.MAX_SAFE_INTEGER)
  })

  it('writes what it reads back as the same value', () => {
    const text = '{"b":[1,{"a":null}],"a":"\\u0007ü","empty":{},"none":[],"x":1e-05,"t":true}'
    const value = parseStrictJson(text)
    assert.deepEqual(parseStrictJson(formatJson(value)), value)
    assert.equal(formatJson(value), JSON.stringify(JSON.parse(text), null, 2))
  })

  it('names the file when it holds no object or no UTF-8', () => {
    assert.throws(() => parseJsonFile(Buffer.from('[]'), 'x/config.json'), /x\/config\.json/)
    assert.throws(() => parseJsonFile(Buffer.from([0x22, 0xff, 0x22]), 'f'), { id: 'E_BAD_JSON' })
  })
})
