import { dtypeBytes, type WeightDType } from '../../src/tensors/dtype.ts'
import { naiveGroups, type NaiveIntegers } from './naive-integers.ts'
import { roundHalf } from './numbers.ts'

/** The symbols that codecs store, by their definition, one series for each thing that is stored. */
export type Series = readonly Iterable<number>[]

/** One sign for each element, where a zero that is kept is a third one. */
export function signsOf(delta: Float32Array, zeros: 'keep' | 'plus' = 'keep'): Series {
  return [zeros === 'keep' ? delta.map(Math.sign) : delta.map((value) => Number(value >= 0))]
}

/** Which elements are kept, and the bytes of their values where those are stored. */
export function masked(delta: Float32Array, dtype?: WeightDType): Series {
  const mask = delta.map(isChanged)
  return dtype === undefined
    ? [mask]
    : [
        mask,
        ...bytePlanes(
          delta.filter((x) => x !== 0),
          dtype,
        ),
      ]
}

/** The scales of runs of so many elements, found in what they decode to, as BF16. */
export function scalesOf(decoded: Float32Array, run: number): Series {
  const scales = new Float32Array(decoded.length / run)
  for (const [i, value] of decoded.entries()) {
    const at = Math.floor(i / run)
    scales[at] = Math.max(scales[at]!, Math.abs(value))
  }
  return bytePlanes(scales, 'BF16')
}

/** One symbol for each value that a magnitude decodes to. */
export function magnitudesOf(decoded: Float32Array): Iterable<number> {
  return decoded.map(Math.abs)
}

/** Planes of signs of what the planes before leave, each with the mean magnitude of that. */
export function planesOfSigns(delta: Float32Array, bits: number): Series {
  let rest = Float64Array.from(delta)
  return Array.from({ length: bits }, () => {
    const signs = rest.map((value) => Number(value >= 0))
    const mean = rest.reduce((sum, value) => sum + Math.abs(value), 0) / rest.length
    rest = rest.map((value, i) => value - (signs[i] === 1 ? mean : -mean))
    return signs
  })
}

/** Codes, scales and zero points of groups. */
export function grids(delta: Float32Array, options: NaiveIntegers): Series {
  const groups = [...naiveGroups(delta, options)]
  const scales = bytePlanes(
    Float32Array.from(groups, ({ scale }) => scale),
    'BF16',
  )
  const zeros = bytePlanes(
    Float32Array.from(groups, ({ zero }) => zero),
    'BF16',
  )
  const codes = groups.flatMap((group) => group.codes)
  return [codes, ...scales, ...(options.scheme === 'asymmetric' ? zeros : [])]
}

/** The bytes of the patterns, turned left by one bit so that a sign is the lowest, plane by plane. */
export function bytePlanes(values: Float32Array, dtype: WeightDType): Series {
  const width = dtypeBytes[dtype]
  const patterns = Float64Array.from(values, (value) => {
    const turned = patternOf(value, dtype) * 2
    return (turned % 256 ** width) + Math.floor(turned / 256 ** width)
  })
  return Array.from({ length: width }, (_, plane) =>
    patterns.map((pattern) => Math.floor(pattern / 256 ** plane) % 256),
  )
}

function isChanged(value: number): number {
  return Number(value !== 0)
}

const view = new DataView(new ArrayBuffer(4))

/** The bits of a value in a dtype, by the definition of the format. */
function patternOf(value: number, dtype: WeightDType): number {
  if (dtype !== 'F16') {
    view.setFloat32(0, dtype === 'F32' ? value : roundHalf('BF16', value))
    return dtype === 'F32' ? view.getUint32(0) : view.getUint32(0) / 2 ** 16
  }
  const rounded = Math.abs(roundHalf('F16', value))
  const exponent = Math.max(-14, Math.floor(Math.log2(rounded)))
  const isNormal = rounded >= 2 ** -14
  const fraction = rounded / 2 ** (exponent - 10) - (isNormal ? 1024 : 0)
  return (value < 0 ? 2 ** 15 : 0) + (isNormal ? (exponent + 15) * 1024 : 0) + fraction
}
