import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holds, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** Conversions between f32 and what files hold. */
export interface ConvertKernels {
  /** out[i] = f32(source[i]); exact for every weight dtype. */
  widen(dtype: WeightDType, source: Region, out: Region, count: number): void
  /** out[i] = source[i] rounded to nearest even in `dtype`; a NaN stays a NaN. */
  narrow(dtype: WeightDType, source: Region, out: Region, count: number): void
}

/** What assembly/convert.ts exports. */
export interface ConvertExports {
  copy(source: number, out: number, count: number): void
  widenBf16(source: number, out: number, count: number): void
  widenF16(source: number, out: number, count: number): void
  narrowBf16(source: number, out: number, count: number): void
  narrowF16(source: number, out: number, count: number): void
}

export const convertSplits: Splits<ConvertExports> = {
  copy: { moves: [FLOAT, FLOAT, 'count'] },
  widenBf16: { moves: [2, FLOAT, 'count'] },
  widenF16: { moves: [2, FLOAT, 'count'], work: 2 },
  narrowBf16: { moves: [FLOAT, 2, 'count'], work: 2 },
  narrowF16: { moves: [FLOAT, 2, 'count'], work: 2 },
}

export function bindConvert(wasm: ConvertExports): ConvertKernels {
  return {
    widen(dtype, source, out, count) {
      holds(source, count * bytesPer[dtype])
      holds(out, count * 4)
      if (dtype === 'F32') wasm.copy(source.pointer, out.pointer, count)
      else if (dtype === 'BF16') wasm.widenBf16(source.pointer, out.pointer, count)
      else wasm.widenF16(source.pointer, out.pointer, count)
    },
    narrow(dtype, source, out, count) {
      holds(source, count * 4)
      holds(out, count * bytesPer[dtype])
      if (dtype === 'F32') wasm.copy(source.pointer, out.pointer, count)
      else if (dtype === 'BF16') wasm.narrowBf16(source.pointer, out.pointer, count)
      else wasm.narrowF16(source.pointer, out.pointer, count)
    },
  }
}
