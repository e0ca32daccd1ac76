import { type CID, IncompatibleError, type Mode, type Recipe } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** A recipe that another is made of, and what people call it. */
export interface Operand {
  readonly name: string
  readonly recipe: Recipe
}

/** What a recipe made of others takes over from them. */
export interface CommonGround {
  readonly base: CID
  readonly mode: Mode
  readonly dtype?: Recipe['dtype'] & string
}

/**
 * Looks up a reference; its blocks are here afterwards. Rejects as the library's `resolve` does.
 */
export async function resolveOperand(
  { library }: SwarmNode,
  reference: string,
  options: JobOptions,
): Promise<Operand & { readonly id: CID }> {
  const id = await library.resolve(reference)
  const recipe = await library.recipe(id, options)
  return { id, name: await library.nameOf(id), recipe }
}

/**
 * The base, mode and dtype that all operands share. A bare delta or checkpoint is the same in every
 * mode; an operator is not, so its mode is kept, and `asked` must agree with it. Throws
 * `IncompatibleError` `E_BASE_MISMATCH`, `E_MODE_MISMATCH` or `E_DTYPE_MISMATCH`.
 */
export function commonGround(operands: readonly Operand[], asked?: Mode): CommonGround {
  const [first, ...others] = operands as readonly [Operand, ...Operand[]]
  for (const { name, recipe } of others) {
    const [base, dtype] = [first.recipe.base.toString(), first.recipe.dtype ?? 'the base’s']
    if (recipe.base.toString() !== base) {
      throw new IncompatibleError('E_BASE_MISMATCH', `${name} was made against another base`, {
        expected: base,
        actual: recipe.base.toString(),
        fix: 'use deltas of one base',
      })
    }
    if ((recipe.dtype ?? 'the base’s') !== dtype) {
      throw new IncompatibleError('E_DTYPE_MISMATCH', `${name} gives weights of another dtype`, {
        expected: dtype,
        actual: recipe.dtype ?? 'the base’s',
        fix: 'use recipes of one dtype',
      })
    }
  }
  const { base, dtype } = first.recipe
  return { base, mode: commonMode(operands, asked), ...(dtype === undefined ? {} : { dtype }) }
}

function commonMode(operands: readonly Operand[], asked: Mode | undefined): Mode {
  const bound = operands.filter(({ recipe }) => 'operator' in recipe.root)
  const mode = asked ?? bound[0]?.recipe.mode ?? 'paper'
  const other = bound.find(({ recipe }) => recipe.mode !== mode)
  if (other === undefined) return mode
  throw new IncompatibleError('E_MODE_MISMATCH', `${other.name} was made in another mode`, {
    expected: mode,
    actual: other.recipe.mode,
    fix: `make it again with --mode ${mode}, or leave --mode out`,
  })
}
