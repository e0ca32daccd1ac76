import { InvalidInputError } from '../errors.ts'
import type { Kernels } from './kernels.ts'
import { kernelsWasm } from './kernels-wasm.ts'
import { bindBits, type BitsExports } from './kernels/bits.ts'
import { bindConvert, type ConvertExports } from './kernels/convert.ts'
import { bindDeltas, type DeltasExports } from './kernels/deltas.ts'
import { bindElect, type ElectExports } from './kernels/elect.ts'
import { bindEntropy, type EntropyExports } from './kernels/entropy.ts'
import { bindGaps, type GapsExports } from './kernels/gaps.ts'
import { bindIntegers, type IntegersExports } from './kernels/integers.ts'
import { bindLinear, type LinearExports } from './kernels/linear.ts'
import { bindMask, type MaskExports } from './kernels/mask.ts'
import { bindMoments, type MomentsExports } from './kernels/moments.ts'
import { bindOrdered, type OrderedExports } from './kernels/ordered.ts'
import { bindPlanes, type PlanesExports } from './kernels/planes.ts'
import { bindRank, type RankExports } from './kernels/rank.ts'
import { bindReduce, type ReduceExports } from './kernels/reduce.ts'
import { bindSelect, type SelectExports } from './kernels/select.ts'
import { createRegions } from './regions.ts'
import { createSharedMemory, instantiate, PAGE_BYTES } from './web-assembly.ts'

/** 65,536 pages: what a 32-bit pointer reaches. Address space only; pages cost memory once used. */
const MAXIMUM_BYTES = 2 ** 32

type Exports = BitsExports &
  ConvertExports &
  DeltasExports &
  ElectExports &
  EntropyExports &
  GapsExports &
  IntegersExports &
  LinearExports &
  MaskExports &
  MomentsExports &
  OrderedExports &
  PlanesExports &
  RankExports &
  ReduceExports &
  SelectExports

/**
 * Compiles the kernels over a memory of their own that grows on demand up to `maximumBytes` (rounded
 * down to 64 KiB pages; 4 GiB unless given). Nothing needs closing: the memory goes with its last
 * region.
 */
export function openKernels(init: { readonly maximumBytes?: number } = {}): Kernels {
  const { maximumBytes = MAXIMUM_BYTES } = init
  const pages = Math.floor(Math.min(maximumBytes, MAXIMUM_BYTES) / PAGE_BYTES)
  if (!(pages >= 1)) {
    throw new InvalidInputError(
      'E_PARAMETER_RANGE',
      `expected \`maximumBytes\` of at least ${PAGE_BYTES}, got ${maximumBytes}`,
      { expected: PAGE_BYTES, actual: maximumBytes },
    )
  }
  const memory = createSharedMemory(pages)
  const wasm = instantiate(Buffer.from(kernelsWasm, 'base64'), memory) as Exports
  const regions = createRegions(memory, pages * PAGE_BYTES)

  return {
    get buffer() {
      return memory.buffer
    },
    get allocated() {
      return regions.allocated
    },
    get peak() {
      return regions.peak
    },
    allocate: (bytes) => regions.allocate(bytes),
    release: (region) => regions.release(region),
    ...bindBits(wasm),
    ...bindConvert(wasm),
    ...bindDeltas(wasm),
    ...bindElect(wasm),
    ...bindEntropy(wasm),
    ...bindGaps(wasm),
    ...bindIntegers(wasm),
    ...bindLinear(wasm),
    ...bindMask(wasm),
    ...bindMoments(wasm),
    ...bindOrdered(wasm),
    ...bindPlanes(wasm),
    ...bindRank(wasm),
    ...bindReduce(wasm),
    ...bindSelect(wasm),
  }
}
