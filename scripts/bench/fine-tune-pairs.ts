import { keyOf } from '../../src/random.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'

/**
 * Made-up tensors of a base and a fine-tune, of any size, for sizes and speeds of codecs: the same
 * arguments give the same bytes on every machine. Spreads are those of the trained models in
 * `node/demo/data` and of their kind: weights of standard deviation 0.06, changes of some hundredths of
 * that and a little more heavy-tailed than a normal distribution.
 */

export type PairKind =
  /** Every weight moves, as with full fine-tuning. */
  | 'dense'
  /** One weight in ten moves. */
  | 'sparse'
  /** A product of rank 8 and a little noise, as of a merged adapter trained further. */
  | 'low-rank'

export interface PairRequest {
  /** A multiple of `PAIR_COLUMNS`. */
  readonly elements: number
  readonly kind: PairKind
  readonly dtype: 'BF16' | 'F32'
  readonly seed: number
}

export interface FineTunePair {
  readonly spec: TensorSpec
  /** Little-endian bytes in the dtype. */
  readonly base: Uint8Array
  readonly post: Uint8Array
  /** f32(post) − f32(base). */
  readonly delta: Float32Array
}

export const PAIR_COLUMNS = 1024

const WEIGHT_SD = 0.06
const CHANGE_SD = 0.0018
const RANK = 8

export function fineTunePair({ elements, kind, dtype, seed }: PairRequest): FineTunePair {
  const random = createNormals(kind, dtype, seed)
  const round = dtype === 'BF16' ? roundToBf16 : Math.fround
  const change = changes[kind](elements / PAIR_COLUMNS, random)
  const [base, post] = [new Float32Array(elements), new Float32Array(elements)]
  for (let i = 0; i < elements; i++) {
    base[i] = round(WEIGHT_SD * random.normal())
    post[i] = round(base[i]! + CHANGE_SD * change(i))
  }
  const shape = [elements / PAIR_COLUMNS, PAIR_COLUMNS]
  const bytes = dtype === 'BF16' ? upperHalves : bytesOf
  return {
    spec: { name: `${kind}.weight`, dtype, shape },
    base: bytes(base),
    post: bytes(post),
    delta: post.map((value, i) => value - base[i]!),
  }
}

/** What moves element i, with a mean square near 1 where it moves. */
type Change = (i: number) => number

const changes: Readonly<Record<PairKind, (rows: number, random: Normals) => Change>> = {
  dense: (_rows, random) => () => heavyTailed(random),
  sparse: (_rows, random) => () => (random.uniform() < 0.1 ? heavyTailed(random) : 0),
  'low-rank': (rows, random) => {
    const left = Float32Array.from({ length: rows * RANK }, random.normal)
    const right = Float32Array.from({ length: PAIR_COLUMNS * RANK }, random.normal)
    return (i) => {
      const row = Math.floor(i / PAIR_COLUMNS) * RANK
      const column = (i % PAIR_COLUMNS) * RANK
      let sum = 0
      for (let k = 0; k < RANK; k++) sum += left[row + k]! * right[column + k]!
      return sum / Math.sqrt(RANK) + 0.1 * random.normal()
    }
  },
}

/** One value in a hundred is three times as wide: a kurtosis of 4.3. */
function heavyTailed(random: Normals): number {
  return random.normal() * (random.uniform() < 0.01 ? 3 : 1)
}

interface Normals {
  uniform(): number
  normal(): number
}

/** xorshift32 (Marsaglia, 2003), whose sums of four uniforms are near enough to normal. */
function createNormals(...name: readonly (string | number)[]): Normals {
  let state = keyOf('fine-tune pair', ...name)[0] | 1
  const uniform = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  const scale = Math.sqrt(3)
  return { uniform, normal: () => (uniform() + uniform() + uniform() + uniform() - 2) * scale }
}

const one = new Float32Array(1)
const oneBits = new Uint32Array(one.buffer)

/** To nearest, ties to even. */
function roundToBf16(value: number): number {
  one[0] = value
  const bits = oneBits[0]!
  oneBits[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000
  return one[0]
}

function upperHalves(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer)
  return bytesOf(Uint16Array.from(bits, (word) => word >>> 16))
}

function bytesOf({ buffer }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer)
}
