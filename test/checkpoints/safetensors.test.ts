import assert from 'node:assert/strict'
import { open, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { openSafetensors } from '../../src/checkpoints/files.ts'
import { layOut, MAX_HEADER_BYTES, parseHeader } from '../../src/checkpoints/safetensors.ts'
import { MalformedError } from '../../src/errors.ts'
import { withFolder } from './memory.ts'

const HEADER = 'E_SAFETENSORS_HEADER'
const OFFSETS = 'E_SAFETENSORS_OFFSETS'

/** A file with this header text or bytes and so many bytes of data. */
function file(header: string | Uint8Array, dataBytes = 0, declared?: bigint): Buffer {
  const bytes = Buffer.from(header as string)
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(declared ?? BigInt(bytes.length))
  return Buffer.concat([prefix, bytes, Buffer.alloc(dataBytes)])
}

function entry(begin: number, end: number, shape: unknown = [end - begin], dtype: unknown = 'U8') {
  return JSON.stringify({ dtype, shape, data_offsets: [begin, end] })
}

const one = `{"a":${entry(0, 4)}}`
const zip = Buffer.from('504b0506000000000000000000000000000000000000', 'hex')

/** Every file breaks one rule of the format or one limit. */
const hostile: readonly (readonly [what: string, id: string, bytes: () => Buffer])[] = [
  ['an empty file', HEADER, () => Buffer.alloc(0)],
  ['seven bytes', HEADER, () => Buffer.alloc(7)],
  ['a header of length 0', HEADER, () => file('', 8)],
  ['a header length of 2^63', HEADER, () => file('{}', 0, 2n ** 63n)],
  ['a header length of 2^64 - 1', HEADER, () => file('{}', 0, 2n ** 64n - 1n)],
  ['a header longer than the file', HEADER, () => file('{}', 0, 3n)],
  ['a header of 16 MiB + 1', HEADER, () => file(`{}${' '.repeat(MAX_HEADER_BYTES - 1)}`)],
  ['a header that is not UTF-8', HEADER, () => file(Buffer.from('7b22ff223a317d', 'hex'))],
  ['an overlong UTF-8 sequence', HEADER, () => file(Buffer.from('7b22c0af223a317d', 'hex'))],
  ['a surrogate in UTF-8', HEADER, () => file(Buffer.from('7b22eda080223a317d', 'hex'))],
  ['a lone surrogate as an escape', HEADER, () => file(`{"\\ud800":${entry(0, 4)}}`, 4)],
  ['a byte order mark', HEADER, () => file('\ufeff{}')],
  ['a header that is not JSON', HEADER, () => file('{nope}')],
  ['a JSON array', HEADER, () => file('[]')],
  ['a JSON number', HEADER, () => file('1234')],
  ['a JSON string', HEADER, () => file('"{}"')],
  ['text after the JSON', HEADER, () => file(`${one} {}`, 4)],
  ['a newline after the JSON', HEADER, () => file(`${one}\n`, 4)],
  ['a NUL after the JSON', HEADER, () => file(`${one}\0`, 4)],
  ['a space before the JSON', HEADER, () => file(` ${one}`, 4)],
  ['a tensor name twice', HEADER, () => file(`{"a":${entry(0, 4)},"a":${entry(0, 4)}}`, 4)],
  [
    'a key twice in an entry',
    HEADER,
    () => file('{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}', 4),
  ],
  ['200,000 nested arrays', HEADER, () => file(`{"a":${'['.repeat(200_000)}`)],
  [
    '100,000 tensors of size 0',
    HEADER,
    () => {
      const names = Array.from({ length: 100_000 }, (_, i) => `"t${i}":${entry(0, 0)}`)
      return file(`{${names.join(',')}}`)
    },
  ],
  ['an unknown dtype', HEADER, () => file(`{"a":${entry(0, 4, [4], 'Q8')}}`, 4)],
  ['a dtype in lower case', HEADER, () => file(`{"a":${entry(0, 4, [1], 'f32')}}`, 4)],
  ['a dtype that is a number', HEADER, () => file(`{"a":${entry(0, 4, [1], 5)}}`, 4)],
  [
    'a dtype that is a method of objects',
    HEADER,
    () => file(`{"a":${entry(0, 4, [4], 'toString')}}`, 4),
  ],
  ['a dtype of half bytes', HEADER, () => file(`{"a":${entry(0, 2, [3], 'F4')}}`, 2)],
  ['a negative size', HEADER, () => file(`{"a":${entry(0, 4, [-4])}}`, 4)],
  [
    'a size of minus zero',
    HEADER,
    () => file('{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}'),
  ],
  ['a fractional size', HEADER, () => file(`{"a":${entry(0, 4, [1.5])}}`, 4)],
  ['a size of 1e400', HEADER, () => file(`{"a":${entry(0, 4)}}`.replace('[4]', '[1e400]'), 4)],
  ['a size of 2^53 + 1', HEADER, () => file(one.replace('[4]', '[9007199254740993]'), 4)],
  ['a shape that is text', HEADER, () => file(`{"a":${entry(0, 4, '4')}}`, 4)],
  [
    'a shape of 9 sizes',
    HEADER,
    () => file(`{"a":${entry(0, 1, [1, 1, 1, 1, 1, 1, 1, 1, 1])}}`, 1),
  ],
  [
    'a product that overflows',
    HEADER,
    () => file(`{"a":${entry(0, 4, [2 ** 31, 2 ** 31], 'F32')}}`, 4),
  ],
  ['an entry that is no object', HEADER, () => file('{"a":[]}')],
  ['an entry without offsets', OFFSETS, () => file('{"a":{"dtype":"U8","shape":[0]}}')],
  ['an entry with a foreign key', HEADER, () => file(one.replace('{"dtype', '{"x":1,"dtype'), 4)],
  ['three offsets', OFFSETS, () => file(one.replace('[0,4]', '[0,4,4]'), 4)],
  ['offsets in reverse', OFFSETS, () => file(one.replace('[0,4]', '[4,0]'), 4)],
  ['an overlap of one byte', OFFSETS, () => file(`{"a":${entry(0, 4)},"b":${entry(3, 7)}}`, 7)],
  ['a hole between tensors', OFFSETS, () => file(`{"a":${entry(0, 4)},"b":${entry(5, 9)}}`, 9)],
  ['a first offset that is not 0', OFFSETS, () => file(`{"a":${entry(1, 5)}}`, 5)],
  ['data that is cut off', OFFSETS, () => file(one, 3)],
  ['one byte after the data', OFFSETS, () => file(one, 5)],
  ['a zip archive after the data', OFFSETS, () => Buffer.concat([file(one, 4), zip])],
  ['a PDF in the header', HEADER, () => file(`%PDF-1.7 ${one}`, 4)],
  ['a scalar of the wrong size', OFFSETS, () => file(`{"a":${entry(0, 8, [], 'F32')}}`, 8)],
  ['an empty tensor that has bytes', OFFSETS, () => file(`{"a":${entry(0, 4, [0])}}`, 4)],
  [
    'one range under many names',
    OFFSETS,
    () => {
      const names = Array.from({ length: 1000 }, (_, i) => `"t${i}":${entry(0, 4)}`)
      return file(`{${names.join(',')}}`, 4)
    },
  ],
  [
    'metadata of 10 MiB',
    HEADER,
    () => file(`{"__metadata__":{"a":"${'x'.repeat(10 * 2 ** 20)}"}}`),
  ],
  ['metadata with a number', HEADER, () => file('{"__metadata__":{"a":1}}')],
  ['metadata that is text', HEADER, () => file('{"__metadata__":"pt"}')],
  ['metadata with terminal codes', HEADER, () => file('{"__metadata__":{"a":"\\u001b[2J"}}')],
  ['a name with control characters', HEADER, () => file(`{"a\\u001b[2J":${entry(0, 4)}}`, 4)],
  ['an empty name', HEADER, () => file(`{"":${entry(0, 4)}}`, 4)],
  ['a name of 513 bytes', HEADER, () => file(`{"${'n'.repeat(513)}":${entry(0, 4)}}`, 4)],
]

describe('reading a hostile safetensors file', () => {
  for (const [what, id, bytes] of hostile) {
    it(`refuses ${what}`, async () => {
      await withFolder(async (folder) => {
        const path = join(folder, 'x.safetensors')
        await writeFile(path, bytes())
        await assert.rejects(openSafetensors(path), (error) => {
          assert.ok(error instanceof MalformedError, String(error))
          assert.equal(error.id, id, error.message)
          assert.notEqual(error.expected, undefined)
          assert.notEqual(error.actual, undefined)
          assert.equal(error.fix.length, 1)
          assert.ok(error.message.length < 1000)
          return true
        })
        assert.deepEqual(await readdir(folder), ['x.safetensors'])
      })
    })
  }

  it('throws nothing but MalformedError, whatever the header holds', () => {
    const text = fc
      .array(
        fc.constantFrom('{', '}', '[', ']', '"', ':', ',', 'a', '0', '4', '-', '\\u', ' ', one),
        { maxLength: 30 },
      )
      .map((tokens) => Buffer.from(`{${tokens.join('')}`))
    const mutated = fc
      .tuple(fc.nat(one.length - 1), fc.nat(255))
      .map(([at, byte]) => Buffer.from(one).fill(byte, at, at + 1))
    const random = fc.uint8Array({ maxLength: 64 })
    fc.assert(
      fc.property(fc.oneof(random, text, mutated), fc.nat(16), (header, dataBytes) => {
        try {
          parseHeader(header, 8 + header.length + dataBytes, 'x')
        } catch (error) {
          assert.ok(error instanceof MalformedError, String(error))
        }
      }),
      { numRuns: 3000 },
    )
  })
})

const parse = (header: string, dataBytes: number) =>
  parseHeader(Buffer.from(header), 8 + Buffer.byteLength(header) + dataBytes, 'x')

const many = (count: number) =>
  `{${Array.from({ length: count }, (_, i) => `"${i}":${entry(0, 0)}`).join(',')}}`

describe('a safetensors header', () => {
  it('may name tensors __proto__, constructor and toString', () => {
    const names = ['__proto__', 'constructor', 'toString']
    const entries = names.map((name, i) => `"${name}":${entry(4 * i, 4 * i + 4)}`)
    const { tensors, offsets } = parse(`{${entries.join(',')}}`, 12)
    assert.deepEqual([...tensors.keys()], names)
    const data = offsets.get('__proto__')!
    assert.deepEqual([...offsets.values()], [data, data + 4, data + 8])
  })

  it('may be padded with spaces, hold empty tensors anywhere, and list tensors in any order', () => {
    const entries = [`"z":${entry(4, 4)}`, `"b":${entry(4, 8)}`, `"a":${entry(0, 4)}`]
    const { tensors } = parse(`{${entries.join(',')}}   `, 8)
    assert.deepEqual([...tensors.keys()], ['a', 'b', 'z'])
  })

  it('may hold 65,536 tensors and not one more', () => {
    const withMetadata = many(65_536).replace('{', '{"__metadata__":{},')
    assert.equal(parse(withMetadata, 0).tensors.size, 65_536)
    assert.throws(() => parse(many(65_537), 0), { id: HEADER })
  })

  it('opens a file of 4 GiB without reading it', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'sparse.safetensors')
      const handle = await open(path, 'w')
      const header = file(`{"a":${entry(0, 2 ** 32, [2 ** 30], 'F32')}}`)
      await handle.write(header)
      await handle.truncate(header.length + 2 ** 32)
      await handle.close()
      const checkpoint = await openSafetensors(path)
      const last = new Uint8Array(4).fill(1)
      await checkpoint.read('a', 2 ** 32 - 4, last)
      assert.deepEqual([...last], [0, 0, 0, 0])
      await assert.rejects(checkpoint.read('a', 2 ** 32 - 3, last), { id: 'E_TENSOR_SIZE' })
      await assert.rejects(checkpoint.read('b', 0, last), { id: 'E_TENSOR_MISSING' })
      await checkpoint.close()
    })
  })
})

const spec = (name: string) => ({ name, dtype: 'U8', shape: [1] }) as const

describe('a written safetensors layout', () => {
  it('is the same for every order of tensors, aligned, and read back as it was meant', () => {
    const specs = [
      { name: 'b', dtype: 'BF16', shape: [3] },
      { name: 'a', dtype: 'U8', shape: [1] },
      { name: 'ü', dtype: 'F32', shape: [2, 2] },
      { name: 'c', dtype: 'F32', shape: [] },
    ] as const
    const layout = layOut(specs)
    assert.deepEqual(layOut(specs.toReversed()), layout)
    assert.equal(layout.header.length % 8, 0)
    const read = parseHeader(layout.header.subarray(8), layout.fileBytes, 'x')
    assert.deepEqual(read.metadata, new Map([['format', 'pt']]))
    assert.deepEqual([...read.tensors.values()].toReversed(), [
      specs[2],
      specs[3],
      specs[0],
      specs[1],
    ])
    for (const { name, dtype } of specs) {
      const alignment = { BF16: 2, U8: 1, F32: 4 }[dtype]
      assert.equal(read.offsets.get(name)! % alignment, 0, name)
    }
  })

  it('refuses names that a reader would refuse', () => {
    for (const specs of [
      [spec('a'), spec('a')],
      [spec('')],
      [spec('__metadata__')],
      [spec('\n')],
    ]) {
      assert.throws(() => layOut(specs), { name: 'InvalidInputError', id: 'E_TENSOR_NAME' })
    }
  })
})
