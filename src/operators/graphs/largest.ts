import type { Kernels } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'
import type { ChunkMap, OperatorGraph } from '../index.ts'
import { createTrim, keepsAll, type Selection } from '../statistics/selection.ts'

/**
 * Trims every input to its largest elements on a device and lets `emit` go on from there. The device
 * compares with the threshold; where only some of the elements at the threshold are kept, which ones
 * is a matter of order, and the kernels give a mask.
 */
export function largestGraph(
  kernels: Kernels,
  selections: readonly Selection[],
  tensor: string,
  emit: (emitter: Emitter, kept: readonly string[]) => string,
): OperatorGraph {
  const cutsTies = selections.map((selection) => {
    const ties = selection.ties(tensor)
    return ties > 0 && ties < Infinity
  })
  return {
    masks: selections.flatMap((selection, i) =>
      cutsTies[i] === true ? [keptMask(kernels, selection, tensor, i)] : [],
    ),
    emit(emitter, inputs, masks) {
      const unused = [...masks]
      const kept = inputs.map((x, i) =>
        cutsTies[i] === true
          ? emitKept(emitter, x, unused.shift()!)
          : emitAbove(emitter, x, selections[i]!, tensor),
      )
      return emit(emitter, kept)
    },
  }
}

/** 1 where an element of input `index` is kept and 0 elsewhere. */
function keptMask(kernels: Kernels, selection: Selection, tensor: string, index: number): ChunkMap {
  const trim = createTrim(kernels, selection, tensor)
  return (inputs, out, _from, count) => {
    trim(inputs[index]!, out, count)
    const { f32 } = out
    for (let i = 0; i < count; i++) f32[i] = f32[i] === 0 ? 0 : 1
  }
}

function emitKept(emitter: Emitter, x: string, mask: string): string {
  const zero = emitter.float(0)
  return emitter.node('Where', [emitter.node('Greater', [mask, zero]), x, zero])
}

function emitAbove(emitter: Emitter, x: string, selection: Selection, tensor: string): string {
  if (keepsAll(selection)) return x
  const compare = selection.ties(tensor) === Infinity ? 'GreaterOrEqual' : 'Greater'
  const threshold = emitter.float(magnitudeOf(selection.threshold))
  const above = emitter.node(compare, [emitter.node('Abs', [x]), threshold])
  return emitter.node('Where', [above, x, emitter.float(0)])
}

/** f32 of its bits; the patterns beyond the finite ones, which nothing exceeds, are the largest. */
function magnitudeOf(bits: number): number {
  return new Float32Array(Uint32Array.of(Math.min(bits, LARGEST_FINITE)).buffer)[0]!
}

const LARGEST_FINITE = 0x7f7fffff
