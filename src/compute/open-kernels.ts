import { InvalidInputError } from '../errors.ts'
import { MAXIMUM_THREADS } from './kernel-call.ts'
import type { Kernels } from './kernels.ts'
import { createKernelPool, reservedPages } from './kernel-pool.ts'
import { kernelsWasm } from './kernels-wasm.ts'
import { bindBits, type BitsExports } from './kernels/bits.ts'
import { bindBlocks, type BlocksExports } from './kernels/blocks.ts'
import { bindCompactBits, type CompactBitsExports } from './kernels/compact-bits.ts'
import { bindConvert, type ConvertExports } from './kernels/convert.ts'
import { bindDeltas, type DeltasExports } from './kernels/deltas.ts'
import { bindElect, type ElectExports } from './kernels/elect.ts'
import { bindEntropy, type EntropyExports } from './kernels/entropy.ts'
import { bindGaps, type GapsExports } from './kernels/gaps.ts'
import { bindIntegers, type IntegersExports } from './kernels/integers.ts'
import { bindLinear, type LinearExports } from './kernels/linear.ts'
import { bindMask, type MaskExports } from './kernels/mask.ts'
import { bindMatrix, type MatrixExports } from './kernels/matrix.ts'
import { bindNoise, type NoiseExports } from './kernels/noise.ts'
import { bindOrdered, type OrderedExports } from './kernels/ordered.ts'
import { bindPlanes, type PlanesExports } from './kernels/planes.ts'
import { bindRank, type RankExports } from './kernels/rank.ts'
import { bindReduce, type ReduceExports } from './kernels/reduce.ts'
import { bindRuns, type RunsExports } from './kernels/runs.ts'
import { bindSelect, type SelectExports } from './kernels/select.ts'
import { bindSignPlanes, type SignPlanesExports } from './kernels/sign-planes.ts'
import { bindSymmetric, type SymmetricExports } from './kernels/symmetric.ts'
import { createRegions } from './regions.ts'
import { compile, createSharedMemory, instantiate, PAGE_BYTES } from './web-assembly.ts'

/** 65,536 pages: what a 32-bit pointer reaches. Address space only; pages cost memory once used. */
const MAXIMUM_BYTES = 2 ** 32

type Exports = BitsExports &
  BlocksExports &
  CompactBitsExports &
  ConvertExports &
  DeltasExports &
  ElectExports &
  EntropyExports &
  GapsExports &
  IntegersExports &
  LinearExports &
  MaskExports &
  MatrixExports &
  NoiseExports &
  OrderedExports &
  PlanesExports &
  RankExports &
  ReduceExports &
  RunsExports &
  SelectExports &
  SignPlanesExports &
  SymmetricExports

export interface KernelsInit {
  /** What the memory may grow to, rounded down to 64 KiB pages; 4 GiB unless given. */
  readonly maximumBytes?: number
  /** Threads that share long calls, of which 16 are used; results do not depend on it. 1 unless given. */
  readonly threads?: number
}

/**
 * Compiles the kernels over a memory of their own that grows on demand. Threads start with the first
 * long call and do not keep the process alive; without any there is nothing to close, and the memory
 * goes with its last region.
 */
export function openKernels(init: KernelsInit = {}): Kernels {
  const { maximumBytes = MAXIMUM_BYTES } = init
  const threads = Math.min(init.threads ?? 1, MAXIMUM_THREADS)
  if (!(Number.isInteger(threads) && threads >= 1)) {
    throw outOfRange('threads', 'at least 1', threads)
  }
  const reserved = reservedPages(threads)
  const pages = Math.floor(Math.min(maximumBytes, MAXIMUM_BYTES) / PAGE_BYTES)
  if (!(pages >= reserved)) {
    throw outOfRange('maximumBytes', `at least ${reserved * PAGE_BYTES}`, maximumBytes)
  }
  const memory = createSharedMemory(reserved, pages)
  const module = compile(Buffer.from(kernelsWasm, 'base64'))
  const exports = instantiate(module, memory, 0) as Exports
  const pool = threads > 1 ? createKernelPool({ module, memory, exports }, threads) : undefined
  const wasm = pool?.exports ?? exports
  const regions = createRegions(memory, pages * PAGE_BYTES)
  const close = async (): Promise<void> => pool?.close()

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
    close: () => close(),
    [Symbol.asyncDispose]: () => close(),
    ...bindBits(wasm),
    ...bindBlocks(wasm),
    ...bindCompactBits(wasm),
    ...bindConvert(wasm),
    ...bindDeltas(wasm),
    ...bindElect(wasm),
    ...bindEntropy(wasm),
    ...bindGaps(wasm),
    ...bindIntegers(wasm),
    ...bindLinear(wasm),
    ...bindMask(wasm),
    ...bindMatrix(wasm),
    ...bindNoise(wasm),
    ...bindOrdered(wasm),
    ...bindPlanes(wasm),
    ...bindRank(wasm),
    ...bindReduce(wasm),
    ...bindRuns(wasm),
    ...bindSelect(wasm),
    ...bindSignPlanes(wasm),
    ...bindSymmetric(wasm),
  }
}

function outOfRange(name: string, expected: string, actual: number): InvalidInputError {
  return new InvalidInputError(
    'E_PARAMETER_RANGE',
    `expected \`${name}\` of ${expected}, got ${actual}`,
    { expected, actual },
  )
}
