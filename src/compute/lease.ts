import type { Kernels, Region } from './kernels.ts'

/** Regions, readers and reads that live and end together. */
export interface Lease {
  take(bytes: number): Region
  defer(close: () => unknown): void
  /** Ends everything, the last first and one after the other; a second call does nothing. */
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
    async release() {
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close()
    },
  }
}
