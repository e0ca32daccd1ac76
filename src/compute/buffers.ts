import type { Kernels, Region } from './kernels.ts'

/** Regions that are released together. */
export interface Buffers<T extends readonly number[]> extends Disposable {
  readonly regions: { readonly [K in keyof T]: Region }
}

/** Allocates one region per size in bytes, or none when the memory does not suffice. */
export function allocateBuffers<const T extends readonly number[]>(
  kernels: Kernels,
  sizes: T,
): Buffers<T> {
  const regions: Region[] = []
  const release = (): void => {
    for (const region of regions.splice(0)) kernels.release(region)
  }
  try {
    for (const bytes of sizes) regions.push(kernels.allocate(bytes))
  } catch (error) {
    release()
    throw error
  }
  return {
    regions: [...regions] as { readonly [K in keyof T]: Region },
    [Symbol.dispose]: release,
  }
}
