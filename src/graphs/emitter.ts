import {
  type ElementType,
  encodeModel,
  type OnnxAttribute,
  type OnnxConstant,
  type OnnxNode,
  type OnnxValue,
} from './onnx.ts'

type Shape = readonly number[]

/**
 * Collects the nodes of one ONNX graph. Equal nodes and equal constants are kept once, so that
 * rules need not pass intermediate results to each other: who needs one emits it again.
 */
export interface Emitter {
  /** Adds a node with one output and returns the output's name. */
  node(
    operator: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
  ): string
  /** A float32 constant. */
  floats(values: Float32Array, shape: Shape): string
  /** An int64 vector, which is what ONNX takes shapes and axes as. */
  wholes(values: readonly number[]): string
  /** An int32 constant. */
  int32s(values: Int32Array, shape: Shape): string
  /** A float32 scalar. */
  float(value: number): string
  reshape(input: string, shape: Shape): string
  transpose(input: string, order: readonly number[]): string
  /** The serialised model; `outputs` maps the names that the graph shall have to emitted ones. */
  finish(
    name: string,
    inputs: readonly OnnxValue[],
    outputs: readonly { readonly value: OnnxValue; readonly from: string }[],
  ): Uint8Array
}

export function createEmitter(): Emitter {
  const nodes: OnnxNode[] = []
  const constants: OnnxConstant[] = []
  const known = new Map<string, string>()

  function once(key: string, add: (name: string) => void): string {
    const existing = known.get(key)
    if (existing !== undefined) return existing
    const name = `%${known.size}`
    known.set(key, name)
    add(name)
    return name
  }

  function constant(type: ElementType, bytes: Uint8Array, shape: Shape): string {
    const key = JSON.stringify([type, shape, Buffer.from(bytes).toString('base64')])
    return once(key, (name) => constants.push({ name, type, shape, bytes }))
  }

  const emitter: Emitter = {
    node(operator, inputs, attributes = {}) {
      return once(JSON.stringify([operator, inputs, attributes]), (name) =>
        nodes.push({ operator, inputs, outputs: [name], attributes }),
      )
    },
    floats: (values, shape) => constant('float32', bytesOf(values), shape),
    wholes: (values) =>
      constant('int64', bytesOf(BigInt64Array.from(values, BigInt)), [values.length]),
    int32s: (values, shape) => constant('int32', bytesOf(values), shape),
    float: (value) => constant('float32', bytesOf(Float32Array.of(value)), []),
    reshape: (input, shape) => emitter.node('Reshape', [input, emitter.wholes(shape)]),
    transpose: (input, order) => emitter.node('Transpose', [input], { perm: order }),
    finish(name, inputs, outputs) {
      const last = outputs.map(({ value, from }): OnnxNode => ({
        operator: 'Identity',
        inputs: [from],
        outputs: [value.name],
        attributes: {},
      }))
      return encodeModel({
        name,
        nodes: [...nodes, ...last],
        constants,
        inputs,
        outputs: outputs.map(({ value }) => value),
      })
    },
  }
  return emitter
}

/** Typed arrays are little endian on every machine that Node and onnxruntime run on. */
function bytesOf(values: Float32Array | Int32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
