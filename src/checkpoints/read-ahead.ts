import type { Region } from '../compute/kernels.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import type { Lease } from '../compute/lease.ts'

/** The bytes of `from … from+count`, valid until another range is asked for. */
export type ReadRange = (from: number, count: number) => Promise<Region>

interface Range {
  readonly from: number
  readonly count: number
  readonly slot: 0 | 1
  readonly filled: Promise<Region>
}

/**
 * Reads a tensor in chunks, the next one while the caller works on this one. Asking for the same
 * range again costs nothing. The two buffers belong to the lease, which waits for what is under
 * way.
 */
export function readAhead(
  checkpoint: Checkpoint,
  { name, dtype, shape }: TensorSpec,
  chunk: number,
  lease: Lease,
): ReadRange {
  const elements = elementsOf(shape)
  const size = dtypeBytes[dtype]
  const regions: Region[] = []
  let held: Range | undefined
  let ahead: Range | undefined

  function start(from: number, count: number, slot: 0 | 1): Range {
    const region = (regions[slot] ??= lease.take(chunk * size))
    const bytes = region.u8.subarray(0, count * size)
    const read = () => checkpoint.read(name, from * size, bytes).then(() => region)
    // A range that nobody wants any more may still be on its way into the same buffer.
    const filled = ahead === undefined ? read() : ahead.filled.then(read, read)
    // Whoever asks for the range hears of its failure; it may be that nobody does.
    const settled = filled.then(nothing, nothing)
    lease.defer(() => settled)
    return { from, count, slot, filled }
  }

  return (from, count) => {
    if (held?.from === from && held.count === count) return held.filled
    const other = held?.slot === 0 ? 1 : 0
    const expected = ahead?.from === from && ahead.count === count
    held = expected ? ahead! : start(from, count, other)
    ahead = undefined
    const next = from + count
    if (next < elements) {
      ahead = start(next, Math.min(chunk, elements - next), held.slot === 0 ? 1 : 0)
    }
    return held.filled
  }
}

function nothing(): void {}
