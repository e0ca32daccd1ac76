import type { Kernels, Region } from '../compute/kernels.ts'

/** Regions and readers that live and end together. */
export interface Lease {
  take(bytes: number): Region
  defer(close: () => void): void
  /** Gives everything back, the last first; a second call does nothing. */
  release(): void
}

export function createLease(kernels: Kernels): Lease {
  const closers: (() => void)[] = []
  return {
    take(bytes) {
      const region = kernels.allocate(bytes)
      closers.push(() => kernels.release(region))
      return region
    },
    defer: (close) => void closers.push(close),
    release() {
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) close()
    },
  }
}
