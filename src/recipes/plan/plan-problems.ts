import type { CID } from '../../canonical.ts'
import type { Codec } from '../../codecs/index.ts'
import type { DeltaSource } from '../../codecs/manifest/manifest.ts'
import { DeltaswarmError, IncompatibleError } from '../../errors.ts'
import { inScope } from '../../operators/index.ts'
import type { Registry } from '../../registry.ts'
import type { Checkpoint } from '../../tensors/checkpoint.ts'
import { isWeightDType } from '../../tensors/dtype.ts'
import { sameShape, type TensorSpec } from '../../tensors/tensor.ts'
import type { Recipe } from '../recipe.ts'
import { operatorsOf, type PlanNode } from './plan-node.ts'

export interface Problems {
  add(problem: DeltaswarmError): void
  /** What `look` gives, or `undefined` when it fails with an error that a caller can react to. */
  collect<T>(look: () => T | Promise<T>): Promise<T | undefined>
  throwIfAny(): void
}

/** Problems that the message spells out; all are in the details. */
const SHOWN = 3

/** Gathers what is wrong, so that a caller hears of everything at once. */
export function createProblems(): Problems {
  const problems: DeltaswarmError[] = []
  return {
    add: (problem) => void problems.push(problem),
    async collect(look) {
      try {
        return await look()
      } catch (error) {
        if (!(error instanceof DeltaswarmError)) throw error
        problems.push(error)
        return undefined
      }
    },
    throwIfAny() {
      const [first, ...more] = problems
      if (first === undefined) return
      if (more.length === 0) throw first
      const shown = problems.slice(0, SHOWN).map(({ message }) => message)
      if (problems.length > SHOWN) shown.push(`and ${problems.length - SHOWN} more`)
      throw new IncompatibleError(first.id, `${problems.length} problems: ${shown.join('; ')}`, {
        expected: first.expected,
        actual: first.actual,
        fix: [...new Set(problems.flatMap(({ fix }) => fix))],
        details: { problems: problems.map(({ id, message }) => ({ id, message })) },
        cause: first,
      })
    },
  }
}

interface DeltaContext {
  readonly recipe: Recipe
  readonly base: Checkpoint | undefined
  readonly sources: { weights(id: CID): Promise<Checkpoint> }
  readonly codecs: Registry<Codec>
}

/** A delta fits when it was made over the recipe's base and changes tensors that the base has. */
export async function checkDelta(
  id: CID,
  { root, tensors }: DeltaSource,
  { recipe, base, sources, codecs }: DeltaContext,
  problems: Problems,
): Promise<void> {
  const ids = [root.base.toString(), recipe.base.toString()] as const
  if (ids[0] !== ids[1]) {
    const other = await sources.weights(root.base).catch(() => undefined)
    return problems.add(baseMismatch(id, ids, base, other))
  }
  for (const codec of new Set([...tensors.values()].map((tensor) => tensor.codec))) {
    await problems.collect(() => codecs.get(codec))
  }
  if (base === undefined) return
  for (const { spec } of tensors.values()) {
    const expected = base.tensors.get(spec.name)
    if (expected === undefined) problems.add(missing(id, spec.name, 'the base'))
    else checkTensor(id, spec, expected, problems)
  }
}

/** A checkpoint fits when it has the base's tensors, no more and no fewer. */
export function checkWeights(
  id: CID,
  { tensors }: Checkpoint,
  base: Checkpoint,
  problems: Problems,
): void {
  for (const [name, expected] of base.tensors) {
    const spec = tensors.get(name)
    if (spec === undefined) problems.add(missing(id, name, 'the checkpoint'))
    else checkTensor(id, spec, expected, problems)
  }
  for (const name of tensors.keys()) {
    if (!base.tensors.has(name)) problems.add(missing(id, name, 'the base'))
  }
}

/** A scope that reaches nothing was meant otherwise. */
export function checkScopes(root: PlanNode, base: Checkpoint, problems: Problems): void {
  const weights = [...base.tensors.values()].filter(({ dtype }) => isWeightDType(dtype))
  for (const { operator, scope } of operatorsOf(root)) {
    if (operator.kind === 'merge' || weights.some((spec) => inScope(scope, spec))) continue
    problems.add(
      new IncompatibleError(
        'E_EMPTY_SCOPE',
        `the scope ${scope} of ${operator.id} reaches no tensor of the base`,
        {
          expected: 'at least one tensor',
          actual: scope,
          fix: `use names such as ${weights[0]?.name ?? 'those of the base'}, all or matrices`,
        },
      ),
    )
  }
}

function checkTensor(id: CID, spec: TensorSpec, expected: TensorSpec, problems: Problems): void {
  if (!sameShape(spec.shape, expected.shape)) {
    problems.add(
      new IncompatibleError(
        'E_SHAPE_MISMATCH',
        `${spec.name} of ${id.toString()} has another shape`,
        {
          expected: expected.shape,
          actual: spec.shape,
          fix: 'use deltas and weights that were made from this base',
          details: { tensor: spec.name },
        },
      ),
    )
  } else if (spec.dtype !== expected.dtype) {
    problems.add(
      new IncompatibleError(
        'E_DTYPE_MISMATCH',
        `${spec.name} of ${id.toString()} has another dtype`,
        {
          expected: expected.dtype,
          actual: spec.dtype,
          fix: `use the weights in ${expected.dtype}, or the base in ${spec.dtype}`,
          details: { tensor: spec.name },
        },
      ),
    )
  }
}

function missing(id: CID, tensor: string, where: string): IncompatibleError {
  return new IncompatibleError(
    'E_TENSOR_MISSING',
    `${where} has no ${tensor}, needed for ${id.toString()}`,
    {
      expected: tensor,
      actual: 'none',
      fix: 'use deltas and weights that were made from this base',
      details: { tensor },
    },
  )
}

function baseMismatch(
  id: CID,
  [actual, expected]: readonly [actual: string, expected: string],
  base: Checkpoint | undefined,
  other: Checkpoint | undefined,
): IncompatibleError {
  const dtypes = base && other && otherDType(base, other)
  const hint =
    dtypes === undefined ? '' : `, which has the same tensors in another dtype (${dtypes})`
  return new IncompatibleError(
    'E_BASE_MISMATCH',
    `delta ${id.toString()} was made over ${actual}${hint}, not over the recipe's base ${expected}`,
    {
      expected,
      actual,
      fix:
        dtypes === undefined
          ? `use a delta over ${expected}, or the base ${actual}`
          : `use the base in the delta's dtype: ${actual}`,
    },
  )
}

/** `BF16 for F32` when both have the same names and shapes and differ in dtype alone. */
function otherDType(base: Checkpoint, other: Checkpoint): string | undefined {
  if (base.tensors.size !== other.tensors.size) return undefined
  let difference: string | undefined
  for (const [name, spec] of base.tensors) {
    const twin = other.tensors.get(name)
    if (twin === undefined || !sameShape(twin.shape, spec.shape)) return undefined
    if (twin.dtype !== spec.dtype) difference ??= `${twin.dtype} for ${spec.dtype}`
  }
  return difference
}
