import type { WeightDType } from '../../src/tensors/dtype.ts'
import { roundHalf } from './numbers.ts'

export interface NaiveIntegers {
  readonly bits: number
  /** 0 for the whole row. */
  readonly group: number
  readonly scheme: 'symmetric' | 'asymmetric' | 'gptq'
  readonly dtype?: WeightDType
  /** Elements of a row; all of them where left out. */
  readonly row?: number
}

/** Round-to-nearest quantisation by its definition, one group after the other. */
export function naiveIntegers(delta: Float32Array, options: NaiveIntegers): Float32Array {
  const out = new Float32Array(delta.length)
  for (const { from, to, scale, zero, codes } of naiveGroups(delta, options)) {
    for (let i = from; i < to; i++) out[i] = Math.fround(scale * (codes[i - from]! - zero))
  }
  return out
}

export function* naiveGroups(delta: Float32Array, options: NaiveIntegers) {
  const { bits, scheme, dtype = 'F32', row = delta.length } = options
  const size = options.group === 0 ? row : options.group
  for (let start = 0; start < delta.length; start += row) {
    for (let from = start; from < start + row; from += size) {
      const to = Math.min(from + size, start + row)
      const values = [...delta.subarray(from, to)]
      const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)]
      const middle = 2 ** (bits - 1)
      const last = 2 ** bits - 1
      const extent = scheme === 'asymmetric' ? high - low : Math.max(-low, high)
      const steps = { symmetric: middle - 1, gptq: last / 2, asymmetric: last }[scheme]
      const scale = roundUpTo(dtype, extent / steps, extent / (steps + 0.5))
      const own = scale === 0 ? 0 : Math.min(last, roundEven(-low / scale))
      const zero = scheme === 'asymmetric' ? own : middle
      const first = scheme === 'symmetric' ? 1 : 0
      const codes = values.map((value) => {
        const quotient = scale === 0 ? 0 : roundEven(Math.fround(value / scale))
        return Math.min(last, Math.max(first, quotient + zero))
      })
      yield { from, to, scale, zero, codes }
    }
  }
}

/** The nearest value of the dtype that is at least `least`. */
function roundUpTo(dtype: WeightDType, value: number, least: number): number {
  const round = (x: number): number => (dtype === 'F32' ? Math.fround(x) : roundHalf(dtype, x))
  let rounded = round(Math.fround(value))
  for (let step = 2 ** -11; rounded < least; step *= 2) rounded = round(value * (1 + step))
  return rounded
}

function roundEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}
