import type { BitsKernels } from './kernels/bits.ts'
import type { BlocksKernels } from './kernels/blocks.ts'
import type { CompactBitsKernels } from './kernels/compact-bits.ts'
import type { ConvertKernels } from './kernels/convert.ts'
import type { DeltasKernels } from './kernels/deltas.ts'
import type { ElectKernels } from './kernels/elect.ts'
import type { EntropyKernels } from './kernels/entropy.ts'
import type { GapsKernels } from './kernels/gaps.ts'
import type { IntegersKernels } from './kernels/integers.ts'
import type { LinearKernels } from './kernels/linear.ts'
import type { MaskKernels } from './kernels/mask.ts'
import type { MatrixKernels } from './kernels/matrix.ts'
import type { NoiseKernels } from './kernels/noise.ts'
import type { OrderedKernels } from './kernels/ordered.ts'
import type { PlanesKernels } from './kernels/planes.ts'
import type { RankKernels } from './kernels/rank.ts'
import type { ReduceKernels } from './kernels/reduce.ts'
import type { Region } from './kernels/region.ts'
import type { RunsKernels } from './kernels/runs.ts'
import type { SelectKernels } from './kernels/select.ts'
import type { SignPlanesKernels } from './kernels/sign-planes.ts'
import type { SymmetricKernels } from './kernels/symmetric.ts'

export { BLOCK_SUMS_BYTES, BLOCK_VALUES_BYTES, type Borders, NO_BORDER } from './kernels/blocks.ts'
export type { ElectAndMerge } from './kernels/elect.ts'
export { type GapCode, GAP_SPARE_BYTES, MAX_GAP_ORDER } from './kernels/gaps.ts'
export { PACKED_SPARE_BYTES } from './kernels/integers.ts'
export type { MaskedScale } from './kernels/mask.ts'
export { type Matrix, PACK_BYTES } from './kernels/matrix.ts'
export { QUANTILES } from './kernels/noise.ts'
export type { Region } from './kernels/region.ts'
export {
  HIGH_BINS,
  HISTOGRAM_BYTES,
  LOW_BINS,
  SLOT_COUNTS_BYTES,
  SLOTS_BYTES,
} from './kernels/select.ts'
export { type RunPosition, runsTouched } from './kernels/runs.ts'

/**
 * The arithmetic of published bytes: WASM SIMD kernels over one shared memory. Every kernel is
 * synchronous and bit-exact: the same bytes on every machine, for every number of threads and every
 * split into chunks (no fused multiply-add, no relaxed SIMD, reductions in f64 per block of `BLOCK_ELEMENTS`). Each
 * family stands in `kernels/` with the exports of the assembly file of the same name.
 */
export interface Kernels
  extends
    Memory,
    BitsKernels,
    BlocksKernels,
    CompactBitsKernels,
    ConvertKernels,
    DeltasKernels,
    ElectKernels,
    EntropyKernels,
    GapsKernels,
    IntegersKernels,
    LinearKernels,
    MaskKernels,
    MatrixKernels,
    NoiseKernels,
    OrderedKernels,
    PlanesKernels,
    RankKernels,
    ReduceKernels,
    RunsKernels,
    SelectKernels,
    SignPlanesKernels,
    SymmetricKernels {}

/** The kernels' memory, which hands out regions, and their threads. */
export interface Memory extends AsyncDisposable {
  /** The memory as it is now, for a worker that makes views of regions. */
  readonly buffer: SharedArrayBuffer
  /** Bytes handed out now, and the most there ever were: what a memory ceiling is checked against. */
  readonly allocated: number
  readonly peak: number
  /**
   * Takes `bytes` (rounded up to 64, offset by a pad so that equal offsets do not alias in the
   * cache). Throws `LimitError` `E_MEMORY` when the memory's maximum is reached.
   */
  allocate(bytes: number): Region
  /** Gives a region back; a region may be used no more after it. */
  release(region: Region): void
  /** Ends all threads but the caller's, on which kernels still run. May be called again. */
  close(): Promise<void>
}
