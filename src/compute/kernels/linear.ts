import { holdFloats, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** Linear arithmetic, element by element. */
export interface LinearKernels {
  /** out = a − b */
  subtract(a: Region, b: Region, out: Region, count: number): void
  /** out = a + b */
  add(a: Region, b: Region, out: Region, count: number): void
  /** out = factor · x */
  scale(x: Region, out: Region, count: number, factor: number): void
  /** y = y + factor · x, product and sum rounded separately. */
  addScaled(x: Region, y: Region, count: number, factor: number): void
}

/** What assembly/linear.ts exports. */
export interface LinearExports {
  subtract(a: number, b: number, out: number, count: number): void
  add(a: number, b: number, out: number, count: number): void
  scale(x: number, out: number, count: number, factor: number): void
  addScaled(x: number, y: number, count: number, factor: number): void
}

export const linearSplits: Splits<LinearExports> = {
  subtract: { moves: [FLOAT, FLOAT, FLOAT, 'count'] },
  add: { moves: [FLOAT, FLOAT, FLOAT, 'count'] },
  scale: { moves: [FLOAT, FLOAT, 'count', 0] },
  addScaled: { moves: [FLOAT, FLOAT, 'count', 0] },
}

export function bindLinear(wasm: LinearExports): LinearKernels {
  return {
    subtract(a, b, out, count) {
      holdFloats(count, a, b, out)
      wasm.subtract(a.pointer, b.pointer, out.pointer, count)
    },
    add(a, b, out, count) {
      holdFloats(count, a, b, out)
      wasm.add(a.pointer, b.pointer, out.pointer, count)
    },
    scale(x, out, count, factor) {
      holdFloats(count, x, out)
      wasm.scale(x.pointer, out.pointer, count, factor)
    },
    addScaled(x, y, count, factor) {
      holdFloats(count, x, y)
      wasm.addScaled(x.pointer, y.pointer, count, factor)
    },
  }
}
