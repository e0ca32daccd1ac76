import type { CID } from '../canonical.ts'
import type { Mode, Scope } from '../operators/index.ts'
import type { ParameterValues } from '../parameters.ts'
import type { WeightDType } from '../tensors/dtype.ts'

/**
 * A recipe says which weights are meant, as a tree of operators whose leaves are published deltas
 * or checkpoints known by their weights id. It is data, it never names code, and the CID of its
 * canonical bytes is the identity of the variant it denotes.
 */
export interface Recipe {
  readonly version: 1
  /** Version of the arithmetic: it rises when an operator's result for the same recipe changes. */
  readonly algorithm: 1
  readonly base: CID
  /** dtype of the resulting weights; without it every tensor keeps the base's. */
  readonly dtype?: WeightDType
  /** Whose reading of an operator counts where sources disagree. */
  readonly mode: Mode
  readonly root: RecipeNode
}

export type RecipeNode = DeltaLeaf | WeightsLeaf | OperatorNode

/** A published delta, by the CID of its root. */
export interface DeltaLeaf {
  readonly delta: CID
}

/** A checkpoint that stands for its difference from the base; the base itself is the zero delta. */
export interface WeightsLeaf {
  readonly weights: CID
}

export interface OperatorNode {
  readonly operator: string
  readonly parameters: ParameterValues
  /** Edits only; merges act on all tensors. */
  readonly scope?: Scope
  readonly inputs: readonly RecipeNode[]
}
