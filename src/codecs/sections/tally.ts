import { createHash } from 'node:crypto'
import type { Kernels, Region } from '../../compute/kernels.ts'
import type { Encoding } from '../index.ts'

/** What an encoder knows of the decoded value block by block: its hash and how far off it is. */
export interface Tally {
  /** The next block, as it was and as it decodes. */
  add(delta: Region, decoded: Region, count: number): void
  /** Of all blocks; called once. */
  finish(): Pick<Encoding, 'sha256' | 'squaredError'>
}

export function createTally(kernels: Kernels): Tally {
  const hash = createHash('sha256')
  let squaredError = 0
  return {
    add(delta, decoded, count) {
      hash.update(decoded.u8.subarray(0, count * 4))
      squaredError += kernels.squaredDistance(decoded, delta, count)
    },
    finish: () => ({ sha256: new Uint8Array(hash.digest()), squaredError }),
  }
}
