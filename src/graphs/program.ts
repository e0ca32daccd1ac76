import { IncompatibleError } from '../errors.ts'
import { createEmitter } from './emitter.ts'
import type { Attributes, NoAttributes, Primitive, Shape, Value } from './primitive.ts'

/** Name of a program's output in the graphs made from it. */
export const RESULT = 'result'

/** One primitive applied to earlier values. */
export interface Application {
  readonly primitive: Primitive
  readonly inputs: readonly Value[]
  readonly attributes: Attributes
  readonly output: Value
}

/**
 * A computation as a list of applications in the order in which they can run. Weights are inputs
 * like activations, so that one graph serves every layer and every variant of a model.
 */
export interface Program {
  readonly name: string
  /** Equal for two programs exactly when they are the same computation on the same shapes. */
  readonly key: string
  /** Activations and ids that come from outside. */
  readonly inputs: readonly Value[]
  readonly weights: readonly Value[]
  readonly applications: readonly Application[]
  readonly output: Value
}

/** Records a program while a model is described. */
export interface ProgramBuilder {
  readonly input: (name: string, shape: Shape, type?: Value['type']) => Value
  readonly weight: (name: string, shape: Shape) => Value
  /** Throws `IncompatibleError` `E_SHAPE` when the primitive cannot take these inputs. */
  readonly apply: <A extends Attributes>(
    primitive: Primitive<A>,
    inputs: readonly Value[],
    ...attributes: A extends NoAttributes ? [] : [attributes: A]
  ) => Value
}

/** The program that `describe` records; the value it returns is the output. */
export function buildProgram(name: string, describe: (builder: ProgramBuilder) => Value): Program {
  const inputs: Value[] = []
  const weights: Value[] = []
  const applications: Application[] = []

  const output = describe({
    input(name, shape, type = 'float32') {
      const value = { name, type, shape }
      inputs.push(value)
      return value
    },
    weight(name, shape) {
      const value = { name, type: 'float32', shape } as const
      weights.push(value)
      return value
    },
    apply(primitive, inputs, ...[attributes]) {
      const given = attributes ?? {}
      const shape = primitive.infer(inputs, given as Parameters<typeof primitive.infer>[1])
      if (shape === undefined) throw unfit(name, primitive.id, inputs)
      const output = { name: `#${applications.length}`, type: 'float32', shape } as const
      applications.push({ primitive: primitive as Primitive, inputs, attributes: given, output })
      return output
    },
  })

  const key = JSON.stringify([
    name,
    inputs.map(({ name, type, shape }) => [name, type, shape]),
    weights.map(({ name, shape }) => [name, shape]),
    applications.map(({ primitive, inputs, attributes }) => [
      primitive.id,
      inputs.map((value) => value.name),
      attributes,
    ]),
    output.name,
  ])
  return { name, key, inputs, weights, applications, output }
}

/**
 * The ONNX model that computes a program: its inputs are the program's inputs and weights by name,
 * its output is `RESULT`.
 */
export function forward(program: Program): Uint8Array {
  const emitter = createEmitter()
  const outside = [...program.inputs, ...program.weights]
  const names = new Map(outside.map(({ name }) => [name, name]))
  const inGraph = (value: Value): Value => ({ ...value, name: names.get(value.name)! })
  for (const { primitive, inputs, attributes, output } of program.applications) {
    names.set(output.name, primitive.forward(emitter, inputs.map(inGraph), attributes))
  }
  const from = names.get(program.output.name)!
  return emitter.finish(program.name, outside, [
    { value: { ...program.output, name: RESULT }, from },
  ])
}

function unfit(program: string, primitive: string, inputs: readonly Value[]): IncompatibleError {
  const shapes = inputs.map(({ name, type, shape }) => `${name} ${type}[${shape.join(', ')}]`)
  return new IncompatibleError(
    'E_SHAPE',
    `${program}: ${primitive} cannot take ${shapes.join(', ')}`,
    { expected: `inputs that ${primitive} is defined on`, actual: shapes },
  )
}
