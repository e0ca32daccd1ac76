import { InvalidInputError } from '../errors.ts'
import { MAXIMUM_THREADS } from './call-board.ts'
import type { Kernels } from './kernels.ts'
import { createKernelPool, MINIMUM_WORK, reservedPages } from './kernel-pool.ts'
import { kernelsWasm } from './kernels-wasm.ts'
import { bindFamilies, type KernelExports } from './kernels/families.ts'
import { createRegions } from './regions.ts'
import { compile, createSharedMemory, instantiate, PAGE_BYTES } from './web-assembly.ts'

/** 65,536 pages: what a 32-bit pointer reaches. Address space only; pages cost memory once used. */
const MAXIMUM_BYTES = 2 ** 32

export interface KernelsInit {
  /** What the memory may grow to, rounded down to 64 KiB pages; 4 GiB unless given. */
  readonly maximumBytes?: number
  /** Threads that share long calls, of which 16 are used; results do not depend on it. 1 unless given. */
  readonly threads?: number
  /** Calls that take as long as a copy of so many floats are shared; `MINIMUM_WORK` unless given. */
  readonly minimumWork?: number
}

/**
 * Compiles the kernels over a memory of their own that grows on demand. Threads start with the first
 * long call and do not keep the process alive; without any there is nothing to close, and the memory
 * goes with its last region.
 */
export function openKernels(init: KernelsInit = {}): Kernels {
  const { maximumBytes = MAXIMUM_BYTES, minimumWork = MINIMUM_WORK } = init
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
  const exports = instantiate(module, memory, 0) as KernelExports
  const shared = { threads, minimumWork }
  const pool = threads > 1 ? createKernelPool({ module, memory, exports }, shared) : undefined
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
    ...bindFamilies(wasm),
  }
}

function outOfRange(name: string, expected: string, actual: number): InvalidInputError {
  return new InvalidInputError(
    'E_PARAMETER_RANGE',
    `expected \`${name}\` of ${expected}, got ${actual}`,
    { expected, actual },
  )
}
