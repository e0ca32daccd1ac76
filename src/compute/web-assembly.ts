/**
 * The little of the WebAssembly interface that the kernels use; the language's own types lack it.
 */
declare const WebAssembly: {
  readonly Memory: new (descriptor: {
    readonly initial: number
    readonly maximum: number
    readonly shared: true
  }) => SharedMemory
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: {
      readonly env: { readonly memory: SharedMemory }
      readonly 'first-page': { readonly page: number }
    },
  ) => { readonly exports: object }
}

export const PAGE_BYTES = 65_536

/**
 * Memory that several threads see. Growing it gives `buffer` a new value; older ones stay valid.
 */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
  /** Adds pages; throws a `RangeError` past the maximum. */
  grow(pages: number): number
}

/** `pages` now, `maximumPages` of address space. */
export function createSharedMemory(pages: number, maximumPages: number): SharedMemory {
  return new WebAssembly.Memory({ initial: pages, maximum: maximumPages, shared: true })
}

export function compile(binary: Uint8Array): object {
  return new WebAssembly.Module(binary)
}

/**
 * Starts the kernels of one thread over `memory`, the page that begins at byte `page` being its
 * own; gives their exports.
 */
export function instantiate(module: object, memory: SharedMemory, page: number): object {
  const imports = { env: { memory }, 'first-page': { page } }
  return new WebAssembly.Instance(module, imports).exports
}
