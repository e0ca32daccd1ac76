/**
 * Writes ONNX models (onnx.proto3 of the ONNX 1.x repository): just the messages that our graphs
 * use. Graphs are built here, from known architectures, and never read from anywhere.
 */

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool'

/**
 * A whole number, whole numbers, a text, or `{ float }`, which JavaScript cannot tell from a whole
 * one.
 */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number }

export interface OnnxNode {
  readonly operator: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

/** A graph input or output; its shape is static. */
export interface OnnxValue {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
}

/** A constant: little-endian bytes, row-major. */
export interface OnnxConstant extends OnnxValue {
  readonly bytes: Uint8Array
}

export interface OnnxGraph {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly constants: readonly OnnxConstant[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

/** Operator set 23 is the first with RMSNormalization and RotaryEmbedding; it goes with IR 11. */
const OPERATOR_SET = 23
const IR_VERSION = 11

/** onnx.TensorProto.DataType */
const dataTypes = { float32: 1, int32: 6, int64: 7, bool: 9 } as const satisfies Record<
  ElementType,
  number
>

/** onnx.AttributeProto.AttributeType */
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const

/** A serialised onnx.ModelProto. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  return message([
    [1, IR_VERSION],
    [2, 'deltaswarm'],
    [7, encodeGraph(graph)],
    [8, message([[2, OPERATOR_SET]])],
  ])
}

function encodeGraph(graph: OnnxGraph): Uint8Array {
  return message([
    ...graph.nodes.map((node): Field => [1, encodeNode(node)]),
    [2, graph.name],
    ...graph.constants.map((constant): Field => [5, encodeConstant(constant)]),
    ...graph.inputs.map((value): Field => [11, encodeValue(value)]),
    ...graph.outputs.map((value): Field => [12, encodeValue(value)]),
  ])
}

function encodeNode(node: OnnxNode): Uint8Array {
  return message([
    ...node.inputs.map((name): Field => [1, name]),
    ...node.outputs.map((name): Field => [2, name]),
    [4, node.operator],
    ...Object.entries(node.attributes).map(([name, value]): Field => [
      5,
      encodeAttribute(name, value),
    ]),
  ])
}

function encodeAttribute(name: string, value: OnnxAttribute): Uint8Array {
  const fields: Field[] = [[1, name]]
  if (typeof value === 'number') fields.push([3, value], [20, attributeTypes.int])
  else if (typeof value === 'string') fields.push([4, value], [20, attributeTypes.string])
  else if ('float' in value) fields.push([2, value], [20, attributeTypes.float])
  else fields.push(...value.map((item): Field => [8, item]), [20, attributeTypes.ints])
  return message(fields)
}

function encodeConstant({ name, type, shape, bytes }: OnnxConstant): Uint8Array {
  return message([
    ...shape.map((dimension): Field => [1, dimension]),
    [2, dataTypes[type]],
    [8, name],
    [9, bytes],
  ])
}

function encodeValue({ name, type, shape }: OnnxValue): Uint8Array {
  const dimensions = shape.map((dimension): Field => [1, message([[1, dimension]])])
  const tensor = message([
    [1, dataTypes[type]],
    [2, message(dimensions)],
  ])
  return message([
    [1, name],
    [2, message([[1, tensor]])],
  ])
}

/** Field number and value: a varint, a 32-bit float, a text, bytes or an encoded message. */
type Field = readonly [number, number | { readonly float: number } | string | Uint8Array]

function message(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.flatMap(([number, value]) => encodeField(number, value)))
}

/** Wire types 0 (varint), 2 (length-delimited) and 5 (32 bits). */
function encodeField(number: number, value: Field[1]): Uint8Array[] {
  if (typeof value === 'number') return [varint(number * 8), varint(value)]
  if (typeof value === 'string') return encodeField(number, Buffer.from(value))
  if (value instanceof Uint8Array) return [varint(number * 8 + 2), varint(value.length), value]
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value.float)
  return [varint(number * 8 + 5), bytes]
}

/** Seven bits per byte, lowest first; a negative number is its 64-bit two's complement. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}
