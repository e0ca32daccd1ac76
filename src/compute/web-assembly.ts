/** The little of the WebAssembly interface that the kernels use; the language's own types lack it. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: {
    readonly initial: number
    readonly maximum: number
    readonly shared: true
  }) => SharedMemory
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: SharedMemory } },
  ) => { readonly exports: object }
}

export const PAGE_BYTES = 65_536

/** Memory that several threads see. Growing it gives `buffer` a new value; older ones stay valid. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
  /** Adds pages; throws a `RangeError` past the maximum. */
  grow(pages: number): number
}

/** One page now, `maximumPages` of address space. */
export function createSharedMemory(maximumPages: number): SharedMemory {
  return new WebAssembly.Memory({ initial: 1, maximum: maximumPages, shared: true })
}

/** Compiles and starts `binary` over `memory`; gives its exports. */
export function instantiate(binary: Uint8Array, memory: SharedMemory): object {
  const module = new WebAssembly.Module(binary)
  return new WebAssembly.Instance(module, { env: { memory } }).exports
}
