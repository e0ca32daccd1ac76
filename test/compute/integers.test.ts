import assert from 'node:assert/strict'
import { PACKED_SPARE_BYTES, type Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

const layouts: readonly Layout[] = [
  { columns: 1003, run: 1003 },
  { columns: 100, run: 64 },
  { columns: 17, run: 5 },
  { columns: 1, run: 1 },
  { columns: 2000, run: 1000 },
]

interface Layout {
  readonly columns: number
  readonly run: number
}

describe('kernels: integers', () => {
  const kernels = openKernels()
  const random = createRandom('integers')
  const values = Float32Array.from({ length: 1003 }, () => random.normal())
  const x = place(kernels, values)
  const range = { first: 1, last: 15 }

  for (const layout of layouts) {
    const position = (element: number) => ({ ...layout, column: element % layout.columns })
    const title = `groups of ${layout.run} in rows of ${layout.columns}`
    const groupOfEach = naiveGroups(values.length, layout)
    const groups = groupOfEach.at(-1)! + 1

    it(`find extremes, quantise and dequantise ${title}`, () => {
      const [lows, highs] = [kernels.allocate(groups * 4), kernels.allocate(groups * 4)]
      lows.f32.fill(0)
      highs.f32.fill(0)
      kernels.groupExtremes(x, values.length, position(0), lows, highs)
      for (let group = 0; group < groups; group++) {
        const members = [...values].filter((_, i) => groupOfEach[i] === group)
        assert.equal(lows.f32[group], Math.min(0, ...members))
        assert.equal(highs.f32[group], Math.max(0, ...members))
      }
      const scales = place(
        kernels,
        Float32Array.from({ length: groups }, (_, i) => (i % 7) / 8),
      )
      const zeros = place(
        kernels,
        Float32Array.from({ length: groups }, (_, i) => 5 + (i % 4)),
      )
      const codes = blank(kernels, values.length + 1)
      kernels.quantise(x, codes, values.length, position(0), scales, zeros, range)
      const out = blank(kernels, values.length * 4 + 4)
      kernels.dequantise(codes, out, values.length, position(0), scales, zeros)
      values.forEach((value, i) => {
        const [scale, zero] = [scales.f32[groupOfEach[i]!]!, zeros.f32[groupOfEach[i]!]!]
        const steps = roundHalfEven(Math.fround(value / (scale === 0 ? 1 : scale)))
        const code = Math.min(15, Math.max(1, steps + zero))
        assert.equal(codes.u8[i], code)
        assert.equal(out.f32[i], Math.fround(scale * (code - zero)))
      })
      assert.equal(codes.u8[values.length], 0xa5)
      assert.equal(out.u8[values.length * 4], 0xa5)
    })

    it(`give the same for any split of ${title}`, () => {
      const scales = Float32Array.from({ length: groups }, (_, i) => (1 + (i % 7)) / 8)
      const zeros = Float32Array.from({ length: groups }, (_, i) => 5 + (i % 4))
      const run = (counts: readonly number[]) => {
        const perGroup = [new Float32Array(groups), new Float32Array(groups), scales, zeros]
        const regions = perGroup.map((entries) => place(kernels, entries))
        const codes = blank(kernels, 1003)
        const out = blank(kernels, 1003 * 4)
        let from = 0
        for (const count of counts) {
          const entry = groupOfEach[from]!
          const [lows, highs, s, z] = regions.map((region) =>
            sliceRegion(region, entry * 4, (groups - entry) * 4),
          ) as [Region, Region, Region, Region]
          const [part, piece] = [sliceRegion(x, from * 4, count * 4), blank(kernels, count)]
          kernels.groupExtremes(part, count, position(from), lows, highs)
          kernels.quantise(part, piece, count, position(from), s, z, range)
          codes.u8.set(piece.u8.subarray(0, count), from)
          const decoded = sliceRegion(out, from * 4, count * 4)
          kernels.dequantise(piece, decoded, count, position(from), s, z)
          from += count
        }
        const [lows, highs] = regions.map((region) => [...region.f32.subarray(0, groups)])
        return { lows, highs, codes: [...codes.u8], out: [...out.f32] }
      }
      assert.deepEqual(run([1, 500, 2, 400, 100]), run([1003]))
    })
  }

  for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
    it(`pack codes of ${bits} bits one after the other, and unpack them`, () => {
      for (const count of [0, 1, 7, 8, 9, 1003]) {
        const codes = place(
          kernels,
          Uint8Array.from({ length: count }, () => random.below(2 ** bits)),
        )
        const bytes = Math.ceil((count * bits) / 8)
        const packed = blank(kernels, bytes + PACKED_SPARE_BYTES)
        kernels.packCodes(codes, packed, count, bits)
        const expected = new Uint8Array(bytes)
        for (let i = 0; i < count * bits; i++) {
          const bit = (codes.u8[Math.floor(i / bits)]! >> (i % bits)) & 1
          expected[i >> 3]! |= bit << (i & 7)
        }
        assert.equal(Buffer.compare(packed.u8.subarray(0, bytes), expected), 0)
        const back = blank(kernels, count + 1)
        kernels.unpackCodes(packed, back, count, bits)
        assert.deepEqual([...back.u8.subarray(0, count)], [...codes.u8.subarray(0, count)])
        assert.equal(back.u8[count], 0xa5)
      }
    })
  }
})

function naiveGroups(count: number, { columns, run }: Layout): number[] {
  const groups: number[] = []
  for (let i = 0, number = -1; i < count; i++) {
    if ((i % columns) % run === 0) number++
    groups.push(number)
  }
  return groups
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}
