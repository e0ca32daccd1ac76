import assert from 'node:assert/strict'
import { encodeModel } from '../../src/graphs/onnx.ts'

describe('onnx', () => {
  it('writes the messages of onnx.proto3', () => {
    const bytes = encodeModel({
      name: 'g',
      nodes: [
        {
          operator: 'Op',
          inputs: ['x'],
          outputs: ['y'],
          attributes: { i: -1, f: { float: 1 }, s: 't', l: [300, 0] },
        },
      ],
      constants: [{ name: 'c', type: 'int64', shape: [1], bytes: Uint8Array.of(1, 2) }],
      inputs: [{ name: 'x', type: 'float32', shape: [2] }],
      outputs: [{ name: 'y', type: 'bool', shape: [] }],
    })
    const attributes = [
      // name = 1, i = 3 as a 64-bit two's complement, type = 20 (INT 2)
      nested(0x2a, [0x0a, 1, text('i'), 0x18, Array(9).fill(0xff), 1, 0xa0, 1, 2]),
      // f = 2 as a 32-bit float, type FLOAT 1
      nested(0x2a, [0x0a, 1, text('f'), 0x15, 0, 0, 0x80, 0x3f, 0xa0, 1, 1]),
      // s = 4, type STRING 3
      nested(0x2a, [0x0a, 1, text('s'), 0x22, 1, text('t'), 0xa0, 1, 3]),
      // ints = 8, type INTS 7
      nested(0x2a, [0x0a, 1, text('l'), 0x40, 0xac, 2, 0x40, 0, 0xa0, 1, 7]),
    ]
    const node = [0x0a, 1, text('x'), 0x12, 1, text('y'), 0x22, 2, text('Op'), attributes]
    // dims = 1, data_type = 2 (INT64 7), name = 8, raw_data = 9
    const constant = [0x08, 1, 0x10, 7, 0x42, 1, text('c'), 0x4a, 2, 1, 2]
    // name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 }}}}
    const dimension = nested(0x0a, [0x08, 2])
    const input = tensorType(text('x'), [0x08, 1, nested(0x12, dimension)])
    const output = tensorType(text('y'), [0x08, 9, 0x12, 0])
    const graph = [
      nested(0x0a, node),
      [0x12, 1, text('g')],
      nested(0x2a, constant),
      nested(0x5a, input),
      nested(0x62, output),
    ]
    const expected = [
      [0x08, 11],
      nested(0x12, text('deltaswarm')),
      nested(0x3a, graph),
      nested(0x42, [0x10, 23]),
    ]
    assert.equal(Buffer.from(bytes).toString('hex'), Buffer.from(flat(expected)).toString('hex'))
  })
})

type Bytes = readonly (number | Bytes)[]

function tensorType(name: Bytes, tensor: Bytes): Bytes {
  return [nested(0x0a, name), nested(0x12, nested(0x0a, tensor))]
}

/** A length-delimited field below 16 KiB. */
function nested(tag: number, content: Bytes): Bytes {
  const bytes = flat(content)
  const { length } = bytes
  return [tag, ...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]), ...bytes]
}

function text(value: string): Bytes {
  return [...Buffer.from(value)]
}

function flat(bytes: Bytes): number[] {
  return (bytes as (number | number[])[]).flat(Infinity) as number[]
}
