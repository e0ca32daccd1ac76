import { bitsSplits } from './kernels/bits.ts'
import { convertSplits } from './kernels/convert.ts'
import { deltasSplits } from './kernels/deltas.ts'
import { electSplits } from './kernels/elect.ts'
import { linearSplits } from './kernels/linear.ts'
import { maskSplits } from './kernels/mask.ts'
import { matrixSplits } from './kernels/matrix.ts'
import { rankSplits } from './kernels/rank.ts'
import { reduceSplits } from './kernels/reduce.ts'
import { selectSplits } from './kernels/select.ts'
import { signPlanesSplits } from './kernels/sign-planes.ts'
import { symmetricSplits } from './kernels/symmetric.ts'
import type { Split } from './kernels/split.ts'

/** Every kernel that several threads can share, by the name of its export. */
export const kernelSplits: ReadonlyMap<string, Split> = new Map(
  Object.entries<Split>({
    ...bitsSplits,
    ...convertSplits,
    ...deltasSplits,
    ...electSplits,
    ...linearSplits,
    ...maskSplits,
    ...matrixSplits,
    ...rankSplits,
    ...reduceSplits,
    ...selectSplits,
    ...signPlanesSplits,
    ...symmetricSplits,
  }),
)
