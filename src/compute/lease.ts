import { endAll } from './end-all.ts'
import type { Kernels, Region } from './kernels.ts'

/** Regions, readers and reads that live and end together. */
export interface Lease {
  take(bytes: number): Region
  defer(close: () => unknown): void
  /**
   * Ends everything, the last first and one after the other, whatever fails of it; rejects with the
   * first failure. A second call does nothing.
   */
  release(): Promise<void>
}

export function createLease(kernels: Kernels): Lease {
  const closers: (() => unknown)[] = []
  return {
    take(bytes) {
      const region = kernels.allocate(bytes)
      closers.push(() => kernels.release(region))
      return region
    },
    defer: (close) => void closers.push(close),
    release: () => endAll(closers.splice(0).toReversed()),
  }
}
