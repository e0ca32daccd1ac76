import { IncompatibleError } from '../errors.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { isWeightDType } from '../tensors/dtype.ts'
import { compareNames, sameShape, type TensorSpec } from '../tensors/tensor.ts'
import { sameTensor, type StreamOptions } from './stream.ts'
import { tiedTensors, type TieMap } from './tied.ts'

/** What post changes in base, in the order of names. */
export interface CheckpointDifference {
  readonly equal: readonly TensorSpec[]
  readonly changed: readonly TensorSpec[]
  /** Copies that follow their original in both and are compared with it, not by themselves. */
  readonly tied: TieMap
}

/** One reason why post is no fine-tune of base, with what each of them has. */
export interface Mismatch {
  readonly kind: 'missing' | 'extra' | 'shape' | 'dtype' | 'integers'
  readonly tensor: string
  readonly base: string
  readonly post: string
}

/**
 * Compares two checkpoints tensor by tensor and stops reading a tensor at its first difference.
 * Rejects with `IncompatibleError` `E_CHECKPOINTS_DIFFER` when post is no fine-tune of base: every
 * reason is in `details.mismatches`, as `Mismatch`es. `onProgress` counts tensors.
 */
export async function compareCheckpoints(
  base: Checkpoint,
  post: Checkpoint,
  { signal, onProgress }: StreamOptions = {},
): Promise<CheckpointDifference> {
  const options = signal && { signal }
  const tied = await commonTies(base, post, options)
  const names = [...new Set([...base.tensors.keys(), ...post.tensors.keys()])]
    .filter((name) => !tied.has(name))
    .sort(compareNames)
  const equal: TensorSpec[] = []
  const changed: TensorSpec[] = []
  const mismatches: Mismatch[] = []
  for (const [i, name] of names.entries()) {
    const [a, b] = [base.tensors.get(name), post.tensors.get(name)]
    const found = mismatchesOf(name, a, b)
    if (found.length > 0) mismatches.push(...found)
    else if (await sameTensor(base, a!, post, b!, options)) equal.push(b!)
    else if (isWeightDType(b!.dtype)) changed.push(b!)
    else
      mismatches.push({ kind: 'integers', tensor: name, base: describe(a), post: 'other values' })
    onProgress?.(i + 1, names.length)
  }
  if (mismatches.length > 0) throw incompatible(mismatches)
  return { equal, changed, tied }
}

/** Ties that hold on both sides, where a side that leaves the copy out has it tied. */
async function commonTies(
  base: Checkpoint,
  post: Checkpoint,
  options?: StreamOptions,
): Promise<TieMap> {
  const inBase = await tiedTensors(base, options)
  const inPost = await tiedTensors(post, options)
  const follows = (copy: string, original: string): boolean =>
    isTied(base, inBase, copy, original) && isTied(post, inPost, copy, original)
  return new Map([...inBase, ...inPost].filter((tie) => follows(...tie)))
}

function isTied(side: Checkpoint, ties: TieMap, copy: string, original: string): boolean {
  return ties.has(copy) || (!side.tensors.has(copy) && side.tensors.has(original))
}

function mismatchesOf(tensor: string, a?: TensorSpec, b?: TensorSpec): readonly Mismatch[] {
  const [base, post] = [describe(a), describe(b)]
  if (a === undefined) return [{ kind: 'extra', tensor, base, post }]
  if (b === undefined) return [{ kind: 'missing', tensor, base, post }]
  const found: Mismatch[] = []
  if (!sameShape(a.shape, b.shape)) found.push({ kind: 'shape', tensor, base, post })
  if (a.dtype !== b.dtype) found.push({ kind: 'dtype', tensor, base, post })
  return found
}

function describe(spec: TensorSpec | undefined): string {
  return spec === undefined ? 'nothing' : `${spec.dtype} [${spec.shape.join(', ')}]`
}

const FIXES: Readonly<Record<Mismatch['kind'], string>> = {
  missing: 'choose the base that this model was trained from',
  extra: 'choose the base that this model was trained from',
  shape: 'choose the base with the same shapes; after a resized vocabulary, resize the base alike',
  dtype:
    'the same weights in BF16 and F32 have two ids: choose the base in the dtype of the ' +
    'fine-tune, or cast one of the two',
  integers: 'leave integer tensors as the base has them: only F32, BF16 and F16 can differ',
}

/** Mismatches that the message spells out; all are in the details. */
const SHOWN = 3

function incompatible(mismatches: readonly Mismatch[]): IncompatibleError {
  const kinds = [...new Set(mismatches.map(({ kind }) => kind))]
  const shown = mismatches
    .slice(0, SHOWN)
    .map(({ tensor, base, post }) => `'${tensor}' is ${base} in the base, ${post} in the fine-tune`)
  const more = mismatches.length > SHOWN ? [`and ${mismatches.length - SHOWN} more`] : []
  return new IncompatibleError(
    'E_CHECKPOINTS_DIFFER',
    `the two checkpoints do not fit together: ${[...shown, ...more].join('; ')}`,
    {
      expected: 'the same names, shapes and dtypes, and equal integers',
      actual: `${mismatches.length} mismatches`,
      fix: [...new Set(kinds.map((kind) => FIXES[kind]))],
      details: { mismatches },
    },
  )
}
