import type { TensorSpec } from './tensor.ts'

/**
 * `all`: every tensor of a weight dtype. `matrices`: the 2-D weights inside the layers, which hold
 * nearly all parameters; norms, biases, embeddings and the head then pass through unchanged.
 */
export type Scope = 'all' | 'matrices'

export const scopes = ['all', 'matrices'] as const satisfies readonly Scope[]

/** A 2-D tensor whose name has a layer number, such as `model.layers.3.mlp.up_proj.weight`. */
export function inScope(scope: Scope, spec: TensorSpec): boolean {
  return scope === 'all' || (spec.shape.length === 2 && /\.\d+\./.test(spec.name))
}
