import { bindBits, bitsSplits } from './bits.ts'
import { bindBlocks } from './blocks.ts'
import { bindCompactBits } from './compact-bits.ts'
import { bindConvert, convertSplits } from './convert.ts'
import { bindDeltas, deltasSplits } from './deltas.ts'
import { bindElect, electSplits } from './elect.ts'
import { bindEntropy } from './entropy.ts'
import { bindGaps } from './gaps.ts'
import { bindIntegers } from './integers.ts'
import { bindLinear, linearSplits } from './linear.ts'
import { bindMask, maskSplits } from './mask.ts'
import { bindMatrix, matrixSplits } from './matrix.ts'
import { bindNoise } from './noise.ts'
import { bindOrdered } from './ordered.ts'
import { bindPlanes } from './planes.ts'
import { bindRank, rankSplits } from './rank.ts'
import { bindReduce, reduceSplits } from './reduce.ts'
import { bindRuns } from './runs.ts'
import { bindSelect, selectSplits } from './select.ts'
import { bindSymmetric, symmetricSplits } from './symmetric.ts'
import type { Split } from './split.ts'

/**
 * Every family of kernels: how its exports become functions over regions, and which of them several
 * threads can share. Besides its own two files, a family stands here and in assembly/kernels.ts.
 */
const families = [
  { bind: bindBits, splits: bitsSplits },
  { bind: bindBlocks },
  { bind: bindCompactBits },
  { bind: bindConvert, splits: convertSplits },
  { bind: bindDeltas, splits: deltasSplits },
  { bind: bindElect, splits: electSplits },
  { bind: bindEntropy },
  { bind: bindGaps },
  { bind: bindIntegers },
  { bind: bindLinear, splits: linearSplits },
  { bind: bindMask, splits: maskSplits },
  { bind: bindMatrix, splits: matrixSplits },
  { bind: bindNoise },
  { bind: bindOrdered },
  { bind: bindPlanes },
  { bind: bindRank, splits: rankSplits },
  { bind: bindReduce, splits: reduceSplits },
  { bind: bindRuns },
  { bind: bindSelect, splits: selectSplits },
  { bind: bindSymmetric, splits: symmetricSplits },
] as const

type Bind = (typeof families)[number]['bind']

/** What the assembly exports. */
export type KernelExports = Bind extends (wasm: infer Exports) => unknown ? Exports : never

/** What all families offer. */
export type FamilyKernels = Intersection<ReturnType<Bind>>

export function bindFamilies(wasm: KernelExports): FamilyKernels {
  return Object.assign({}, ...families.map(({ bind }) => bind(wasm)))
}

/** Every kernel that several threads can share, by the name of its export. */
export const kernelSplits: ReadonlyMap<string, Split> = new Map(
  families.flatMap((family) => ('splits' in family ? Object.entries<Split>(family.splits) : [])),
)

type Intersection<Union> = (Union extends unknown ? (each: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never
