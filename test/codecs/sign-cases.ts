import { halfNormalQuantiles } from '../../src/compute/half-normal.ts'
import { keyOf } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import type { CodecCase } from '../contract/codec.ts'
import { naiveWord, roundHalf } from './numbers.ts'

/** Ways to use the codecs of signs, on tensors of one row, and naively what they decode to. */
export const signCases: readonly (readonly [string, readonly CodecCase[]])[] = [
  [
    'bitdelta',
    [
      { parameters: {}, decoded: (_, delta) => signed(delta, means(delta)) },
      {
        parameters: { factor: 0.5, zeros: 'plus' },
        decoded: (_, delta) => signed(delta, means(delta, { factor: 0.5 }), 'plus'),
      },
      { parameters: { factor: 0 }, decoded: (_, delta) => new Float32Array(delta.length) },
      {
        parameters: { scales: 'group', group: 100, scaleDtype: 'F32' },
        decoded: (_, delta) => signed(delta, means(delta, { group: 100 })),
      },
      {
        parameters: { scales: 'group', group: 8, mean: 'nonzero' },
        decoded: (_, delta) => signed(delta, toBf16(means(delta, { group: 8, mean: 'nonzero' }))),
      },
      {
        parameters: { scales: 'row', factor: 2 },
        decoded: (_, delta) => signed(delta, toBf16(means(delta, { factor: 2 }))),
      },
      {
        parameters: { scales: 'column', scaleDtype: 'BF16' },
        decoded: (_, delta) => signed(delta, toBf16(delta.map(Math.abs))),
      },
    ],
  ],
  [
    'noise',
    [
      {
        parameters: { seed: 7 },
        decoded: (name, delta) => signed(delta, drawn(means(delta), name, 7, halfNormal)),
      },
      {
        parameters: { distribution: 'uniform', scales: 'group', zeros: 'plus' },
        decoded: (name, delta) =>
          signed(
            delta,
            drawn(toBf16(means(delta, { group: 128 })), name, 0, (word) => (word + 0.5) / 2 ** 31),
            'plus',
          ),
      },
    ],
  ],
  [
    'blocks',
    [
      { parameters: { blocks: 5 }, decoded: (_, delta) => inBlocks(delta, equalCount(delta, 5)) },
      {
        parameters: { blocks: 64, zeros: 'plus' },
        decoded: (_, delta) => inBlocks(delta, equalCount(delta, 64), 'plus'),
      },
      {
        parameters: { blocks: 16, split: 'equal-width' },
        decoded: (_, delta) => inBlocks(delta, equalWidth(delta, 16)),
      },
      {
        parameters: { blocks: 2, split: 'lloyd' },
        decoded: (_, delta) => inBlocks(delta, bestOfTwo(delta)),
      },
    ],
  ],
  [
    'residual',
    [
      { parameters: { bits: 1 }, decoded: (_, delta) => signed(delta, means(delta), 'plus') },
      { parameters: { fit: 'greedy' }, decoded: (_, delta) => twoPlanes(delta, Math.fround) },
      {
        parameters: { fit: 'greedy', scales: 'row' },
        decoded: (_, delta) => twoPlanes(delta, bf16),
      },
    ],
  ],
]

/** The mean magnitude of each element's group, for each element. */
function means(
  delta: Float32Array,
  { factor = 1, group = Infinity, mean = 'all' } = {},
): Float32Array {
  const result = new Float32Array(delta.length)
  for (let from = 0; from < delta.length; from += group) {
    const members = delta.subarray(from, from + group)
    let sum = 0
    for (let at = 0; at < members.length; at += BLOCK_ELEMENTS) {
      sum += sumOf(members.subarray(at, at + BLOCK_ELEMENTS))
    }
    const counted = mean === 'all' ? members.length : members.filter((x) => x !== 0).length
    result.fill(factor * (sum / Math.max(1, counted)), from, from + group)
  }
  return result
}

function sumOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0)
}

function toBf16(values: Float32Array): Float32Array {
  return values.map(bf16)
}

function bf16(value: number): number {
  return roundHalf('BF16', Math.fround(value))
}

function signed(
  delta: Float32Array,
  magnitudes: Float32Array,
  zeros: 'keep' | 'plus' = 'keep',
): Float32Array {
  return delta.map((value, i) => {
    const magnitude = magnitudes[i]!
    if (magnitude === 0 || (value === 0 && zeros === 'keep')) return 0
    return value >= 0 ? magnitude : -magnitude
  })
}

function drawn(
  means: Float32Array,
  name: string,
  seed: number,
  quantile: (word: number) => number,
): Float32Array {
  const key = keyOf('noise', seed, name)
  return means.map((mean, i) => mean * quantile(naiveWord(key, i)))
}

/** Between the entries of the table, which has a test of its own. */
function halfNormal(word: number): number {
  const table = halfNormalQuantiles()
  let octave = 0
  let part = 2 * (word + 0.5)
  while (part >= 2) {
    part /= 2
    octave++
  }
  const place = (part - 1) * 128
  const at = octave * 128 + Math.floor(place)
  return table[at]! + (table[at + 1]! - table[at]!) * (place - Math.floor(place))
}

/** Replaces magnitudes by the means of their blocks, whose numbers are given. */
function inBlocks(
  delta: Float32Array,
  blockOf: ArrayLike<number>,
  zeros: 'keep' | 'plus' = 'keep',
): Float32Array {
  const sums = new Float64Array(64)
  const counts = new Float64Array(64)
  for (const [i, value] of delta.entries()) {
    sums[blockOf[i]!]! += Math.abs(value)
    counts[blockOf[i]!]! += 1
  }
  const magnitudes = delta.map((_, i) => sums[blockOf[i]!]! / counts[blockOf[i]!]!)
  return signed(delta, magnitudes, zeros)
}

function equalCount(delta: Float32Array, blocks: number): Uint8Array {
  const order = [...delta.keys()].sort((a, b) => Math.abs(delta[a]!) - Math.abs(delta[b]!) || a - b)
  const used = Math.min(blocks, delta.length)
  const result = new Uint8Array(delta.length)
  for (let block = 0; block < used; block++) {
    const from = Math.floor((block * delta.length) / used)
    const to = Math.floor(((block + 1) * delta.length) / used)
    for (const element of order.slice(from, to)) result[element] = block
  }
  return result
}

function equalWidth(delta: Float32Array, blocks: number): Uint8Array {
  const used = Math.min(blocks, delta.length)
  const largest = delta.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  return Uint8Array.from(delta, (value) => {
    let block = 0
    while (block < used - 1 && Math.abs(value) >= ((block + 1) * largest) / used) block++
    return block
  })
}

/** The better of all cuts between bins of the highest 16 bits, each standing for its middle. */
function bestOfTwo(delta: Float32Array): Uint8Array {
  const bins = Uint32Array.from(
    new Uint32Array(delta.slice().buffer),
    (bits) => (bits & 0x7fffffff) >>> 15,
  )
  const middles = new Float32Array(bins.map((bin) => (bin << 15) | 0x4000).buffer)
  const order = [...bins.keys()].sort((a, b) => bins[a]! - bins[b]!)
  const total = { count: delta.length, sum: middles.reduce((sum, middle) => sum + middle, 0) }
  // The squared error is Σ middle² less what the means explain.
  let best = { cut: 0, explained: total.sum ** 2 / total.count }
  let [count, sum] = [0, 0]
  for (const [rank, element] of order.entries()) {
    if (rank > 0 && bins[element] !== bins[order[rank - 1]!]) {
      const explained = sum ** 2 / count + (total.sum - sum) ** 2 / (total.count - count)
      if (explained > best.explained) best = { cut: bins[element]!, explained }
    }
    count++
    sum += middles[element]!
  }
  return Uint8Array.from(bins, (bin) => Number(best.cut > 0 && bin >= best.cut))
}

/** Two planes, the second on what the first leaves; sums in the order of elements. */
function twoPlanes(delta: Float32Array, round: (scale: number) => number): Float32Array {
  const magnitudes = delta.map(Math.abs)
  const first = round(sumOf(delta) / Math.max(1, delta.length))
  const below = magnitudes.filter((value) => value < first)
  const above = magnitudes.filter((value) => value >= first)
  const rest = sumOf(above) - above.length * first - (sumOf(below) - below.length * first)
  const second = round(rest / Math.max(1, delta.length))
  return delta.map((value) => {
    const level = Math.abs(value) >= first ? first + second : first - second
    return value >= 0 ? level : -level
  })
}
