import type { Kernels } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'
import type { ChunkMap } from '../index.ts'
import { createTrim, keepsAll, type Selection } from '../statistics/top-magnitudes.ts'

/** Whether only some of the elements at the threshold are kept, which needs their order. */
export function cutsTies(selection: Selection, tensor: string): boolean {
  const ties = selection.ties(tensor)
  return ties > 0 && ties < Infinity
}

/** 1 where an element is kept and 0 elsewhere; of the input at `index`. */
export function keptMask(
  kernels: Kernels,
  selection: Selection,
  tensor: string,
  index = 0,
): ChunkMap {
  const trim = createTrim(kernels, selection, tensor)
  return (inputs, out, _from, count) => {
    trim(inputs[index]!, out, count)
    const kept = out.f32
    for (let i = 0; i < count; i++) kept[i] = kept[i] === 0 ? 0 : 1
  }
}

/**
 * x where it is among the largest and +0 elsewhere: by comparison with the threshold where that
 * decides, else by `mask`.
 */
export function emitLargest(
  emitter: Emitter,
  x: string,
  selection: Selection,
  tensor: string,
  mask?: string,
): string {
  if (keepsAll(selection)) return x
  const zero = emitter.float(0)
  if (mask !== undefined) {
    return emitter.node('Where', [emitter.node('Greater', [mask, zero]), x, zero])
  }
  const compare = selection.ties(tensor) === Infinity ? 'GreaterOrEqual' : 'Greater'
  const threshold = emitter.float(magnitudeOf(selection.threshold))
  const above = emitter.node(compare, [emitter.node('Abs', [x]), threshold])
  return emitter.node('Where', [above, x, zero])
}

/** f32 of its bits; the patterns beyond the finite ones, which nothing exceeds, are the largest. */
function magnitudeOf(bits: number): number {
  return new Float32Array(Uint32Array.of(Math.min(bits, LARGEST_FINITE)).buffer)[0]!
}

const LARGEST_FINITE = 0x7f7fffff
