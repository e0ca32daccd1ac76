import type { Region } from '../../compute/kernels.ts'
import type { Lease } from '../../compute/lease.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { windowElements } from '../plan/part-elements.ts'

/**
 * Puts elements `from … from+count` of a node's delta into `out`. Chunks are asked for in order; 0
 * starts again from the beginning. Buffers belong to the job's lease.
 */
export type DeltaStream = (out: Region, from: number, count: number) => Promise<void>

/** Streams side by side. */
export interface Window {
  /** Regions that begin with the elements `from … from+count`, valid until another range is asked for. */
  at(from: number, count: number): Promise<readonly Region[]>
}

export interface WindowInit {
  readonly elements: number
  /** The stream is asked for this many elements at a time. */
  readonly step: number
  /** The window is asked for at most this many. */
  readonly most: number
}

/**
 * Joins and cuts the pieces of streams into others: whole rows out of chunks, chunks out of whole
 * rows. The streams move in step, since they may share a reader. Ranges are asked for one after the
 * other; 0 starts again, and the last range may be repeated.
 */
export function openWindow(
  streams: readonly DeltaStream[],
  lease: Lease,
  { elements, step, most }: WindowInit,
): Window {
  const regions = streams.map(() => lease.take(windowElements(elements, step, most) * 4))
  /** Elements `start … end` are held. */
  let [start, end] = [0, 0]

  function moveTo(from: number): void {
    if (from < start) [start, end] = [0, 0]
    if (from === start) return
    for (const { f32 } of regions) f32.copyWithin(0, from - start, end - start)
    start = from
  }

  async function readStep(): Promise<void> {
    const [from, count] = [end, Math.min(step, elements - end)]
    const into = regions.map((region) => sliceRegion(region, (from - start) * 4, count * 4))
    await settle(streams.map((stream, i) => stream(into[i]!, from, count)))
    end = from + count
  }

  return {
    async at(from, count) {
      moveTo(from)
      while (end < from + count) await readStep()
      return regions
    },
  }
}

/** Waits for all, also when one fails: none may write into a region that has been given back. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason
  }
}
