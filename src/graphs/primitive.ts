import type { Emitter } from './emitter.ts'

export type Shape = readonly number[]

/** A named array inside a program; its shape is known before anything runs. */
export interface Value {
  readonly name: string
  readonly type: 'float32' | 'int32'
  readonly shape: Shape
}

/**
 * What an application fixes besides its inputs, such as an epsilon; part of the program's identity.
 */
export type Attributes = Readonly<Record<string, number | boolean>>

/**
 * A differentiable step of a model. It states its rules once, in ONNX nodes, and every graph of a
 * program follows from the rules of its primitives; a model never names an ONNX operator. Its
 * result is one float32 value. Each file of `primitives/` exports one under the name `primitive`,
 * and its `id` is the file's name.
 */
export interface Primitive<A extends Attributes = Attributes> {
  readonly id: string
  /** The formula. */
  readonly about: string
  /** Shape of the result, or `undefined` when the inputs do not fit together. */
  infer(inputs: readonly Value[], attributes: A): Shape | undefined
  /**
   * Emits the nodes that compute the result and returns its name. The inputs carry the names that
   * they have in the graph. A rule may emit what another rule has emitted before: the emitter gives
   * back the same name.
   */
  forward(emitter: Emitter, inputs: readonly Value[], attributes: A): string
}

export type NoAttributes = Readonly<Record<string, never>>

/** Declares a primitive; it exists to infer the types of its rules. */
export function definePrimitive<A extends Attributes = NoAttributes>(
  primitive: Primitive<A>,
): Primitive<A> {
  return primitive
}
