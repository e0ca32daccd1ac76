import assert from 'node:assert/strict'
import type { Kernels } from '../../src/compute/kernels.ts'
import { LimitError } from '../../src/errors.ts'

/**
 * Runs `work` again and again, each time with memory that is full one allocation later, until it gets
 * through. Every failure must reach the caller, and nothing may be kept.
 */
export async function runOutOfMemory(
  kernels: Kernels,
  work: (kernels: Kernels) => Promise<unknown>,
): Promise<void> {
  const before = kernels.allocated
  for (let most = 0; ; most++) {
    let taken = 0
    const full = Object.create(kernels, {
      allocate: {
        value(bytes: number) {
          if (taken++ === most) throw new LimitError('E_MEMORY', `allocation ${most} fails`)
          return kernels.allocate(bytes)
        },
      },
    }) as Kernels
    const failure = await work(full).then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.equal(kernels.allocated, before, `kept when allocation ${most} fails`)
    if (taken <= most) return assert.equal(failure, undefined)
    assert.ok(failure instanceof LimitError && failure.id === 'E_MEMORY', String(failure))
  }
}
