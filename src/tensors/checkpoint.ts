import type { TensorSpec } from './tensor.ts'

/**
 * Named weights that are read piece by piece; who implements it decides where the bytes lie.
 * `tensors` iterates in the order of `compareNames`.
 */
export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, TensorSpec>
  /**
   * Fills `into` with the tensor's bytes (little endian, row-major) starting at byte `offset`.
   * Rejects with `NotFoundError` for an unknown name and `MalformedError` when the bytes end early.
   */
  read(name: string, offset: number, into: Uint8Array): Promise<void>
}
