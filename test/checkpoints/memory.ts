import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTensor } from '../../src/checkpoints/find-tensor.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import type { DType } from '../../src/tensors/dtype.ts'
import { compareNames, type TensorSpec } from '../../src/tensors/tensor.ts'

/** A checkpoint in memory: name → dtype, shape, values as a typed array of the dtype's size. */
export function memoryCheckpoint(
  entries: Readonly<Record<string, readonly [DType, readonly number[], NodeJS.TypedArray]>>,
): Checkpoint {
  const names = Object.keys(entries).sort(compareNames)
  const tensors = new Map<string, TensorSpec>(
    names.map((name) => [name, { name, dtype: entries[name]![0], shape: entries[name]![1] }]),
  )
  return {
    tensors,
    async read(name, offset, into) {
      findTensor(tensors, name)
      const { buffer, byteOffset } = entries[name]![2]
      into.set(new Uint8Array(buffer, byteOffset + offset, into.length))
    },
  }
}

/** Runs `use` with an empty folder that is gone afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
