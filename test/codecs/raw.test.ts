import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/raw.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { collectSections, deltaTensor, hex, memorySections, sha256Hex } from './memory-tensor.ts'
import { subtract, widenBytes } from './numbers.ts'

describe('raw codec', () => {
  const kernels = openKernels()

  async function roundTrip(dtype: WeightDType, baseBits: number[], postBits: number[]) {
    const [base, post] = [baseBits, postBits].map((bits) => packed(dtype, bits)) as [Buffer, Buffer]
    const delta = subtract(widenBytes(dtype, post), widenBytes(dtype, base))
    const spec = { name: 'x', dtype, shape: [baseBits.length] }
    const { sink, stored } = collectSections()
    const given = deltaTensor(kernels, { spec, base, post, delta })
    const encoded = { spec, codec: 'raw', ...(await codec.encode(given, {}, sink, { kernels })) }
    const reader = await codec.open(encoded, memorySections(stored), { kernels })
    const [out, baseRegion] = [kernels.allocate(post.length), kernels.allocate(base.length)]
    baseRegion.u8.set(base)
    await reader.readPost!(out, baseBits.length, baseRegion)
    const decoded = Buffer.from(out.u8.subarray(0, post.length))
    reader.close()
    kernels.release(out)
    kernels.release(baseRegion)
    return { base, post, delta, decoded, encoded, stored }
  }

  it('stores constant, plain and packed planes as documented', async () => {
    // 1.0 → 1.0078125 is one step up: zigzag code 2; −0 → +0 as well; 1.0 → 1.0 is 0.
    const steps = await roundTrip('BF16', [0x3f80, 0x8000, 0x3f80], [0x3f81, 0x0000, 0x3f80])
    assert.equal(hex(steps.stored.get('planes')!), '010202000000')
    const equal = await roundTrip('F32', [0x3f800000, 5], [0x3f800000, 5])
    assert.equal(hex(equal.stored.get('planes')!), '0000'.repeat(4))
    const many = Array.from({ length: 1000 }, (_, i) => 0x3f80 + (i % 7))
    const packedPlane = await roundTrip('BF16', Array<number>(1000).fill(0x3f80), many)
    const [kind, low, high] = packedPlane.stored.get('planes')!
    assert.deepEqual(
      [kind, low! + high! * 256 + 3 + 2],
      [2, packedPlane.stored.get('planes')!.length],
    )
    assert.ok(packedPlane.stored.get('planes')!.length < 400)
    assert.deepEqual(packedPlane.decoded, packedPlane.post)
  })

  const specials: Record<WeightDType, number[]> = {
    F32: [0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x3f800000, 0x7f7fffff, 0xff7fffff],
    BF16: [0, 0x8000, 1, 0x8001, 0x007f, 0x0080, 0x3f80, 0x7f7f, 0xff7f],
    F16: [0, 0x8000, 1, 0x8001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0xfbff],
  }
  for (const [dtype, values] of Object.entries(specials) as [WeightDType, number[]][]) {
    it(`gives back ${dtype} signed zeros, subnormals and the largest values bit for bit`, async () => {
      const base = values.flatMap(() => values)
      const post = values.flatMap((value) => values.map(() => value))
      const { decoded, post: bytes, encoded } = await roundTrip(dtype, base, post)
      assert.deepEqual(decoded, bytes)
      assert.equal(hex(encoded.sha256), sha256Hex(bytes))
    })
  }

  it('is exact where base + (post − base) in f32 is not', async () => {
    // 10⁸ and 10⁻³ (bits of f32): their difference in f32 forgets 10⁻³.
    const { base, delta, decoded, post } = await roundTrip('F32', [0x4cbebc20], [0x3a83126f])
    const sum = Math.fround(widenBytes('F32', base)[0]! + delta[0]!)
    assert.notEqual(sum, widenBytes('F32', post)[0])
    assert.deepEqual(decoded, post)
  })

  it('refuses a post tensor that is not finite', async () => {
    for (const bits of [0x7f80, 0xff80, 0x7fc0]) {
      await assert.rejects(
        roundTrip('BF16', [0x3f80], [bits]),
        (error) => error instanceof MalformedError && /not finite/.test(error.message),
      )
    }
  })
})

function packed(dtype: WeightDType, bits: number[]): Buffer {
  const bytes = Buffer.alloc(bits.length * (dtype === 'F32' ? 4 : 2))
  for (const [i, value] of bits.entries()) {
    if (dtype === 'F32') bytes.writeUInt32LE(value, i * 4)
    else bytes.writeUInt16LE(value, i * 2)
  }
  return bytes
}
