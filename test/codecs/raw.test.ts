import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fineTunePair, type PairRequest } from '../../scripts/bench/fine-tune-pairs.ts'
import { codec } from '../../src/codecs/raw.ts'
import { MAX_MODELS, MODEL_BITS } from '../../src/codecs/raw/exponent-models.ts'
import { modelBytes } from '../../src/compute/kernels/entropy.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { collectSections, deltaTensor, hex, memorySections, sha256Hex } from './memory-tensor.ts'
import { pseudoRandom, subtract, widenBytes } from './numbers.ts'

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/raw.json', import.meta.url), 'utf8'),
) as (PairRequest & {
  readonly comment: string
  readonly models: string
  readonly differences: { readonly bytes: number; readonly sha256: string }
})[]

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

  it('stores few weights plainly, and many as states, words and extra bits', async () => {
    const few = await roundTrip('BF16', [0x3f80, 0x8000, 0x3f80], [0x3f81, 0x0000, 0x3f80])
    assert.equal(hex(few.stored.get('differences')!), '060000813f0000803f')
    assert.deepEqual(few.decoded, few.post)

    // 1.0 → 1.0 never takes a bit: four states of 2¹⁶. The one model has 2¹² for symbol 0.
    const same = await roundTrip('BF16', Array<number>(99).fill(0x3f80), Array(99).fill(0x3f80))
    assert.equal(hex(same.stored.get('differences')!), '100000' + '00000100'.repeat(4))
    assert.equal(hex(same.stored.get('models')!), '32')

    // 16 steps up: token 12 with 2 extra bits, both 0.
    const up = await roundTrip('BF16', Array<number>(99).fill(0x3f80), Array(99).fill(0x3f90))
    const extra = '00'.repeat(Math.ceil((2 * 99) / 8))
    assert.equal(hex(up.stored.get('differences')!), '290000' + '00000100'.repeat(4) + extra)
    assert.deepEqual(up.decoded, up.post)
  })

  for (const vector of vectors) {
    it(`stores ${vector.comment}, in the bytes of its vector`, async () => {
      const { sink, stored } = collectSections()
      await codec.encode(deltaTensor(kernels, fineTunePair(vector)), {}, sink, { kernels })
      const differences = stored.get('differences')!
      assert.equal(hex(stored.get('models')!), vector.models)
      assert.deepEqual(
        { bytes: differences.length, sha256: sha256Hex(differences) },
        vector.differences,
      )
    })
  }

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
        (error) => error instanceof MalformedError && error.id === 'E_NOT_FINITE',
      )
    }
  })

  it('decodes hostile bytes to refusals or finite values, in the memory that it declares', async () => {
    const pair = fineTunePair({ elements: 4096, kind: 'dense', dtype: 'BF16', seed: 2 })
    const { sink, stored } = collectSections()
    const given = deltaTensor(kernels, pair)
    const encoded = await codec.encode(given, {}, sink, { kernels })
    const tensor = { spec: pair.spec, codec: 'raw', ...encoded }
    const random = pseudoRandom(3)
    const own = openKernels()
    const [out, base] = [own.allocate(4096 * 4), own.allocate(4096 * 2)]
    base.u8.set(pair.base)
    const used = own.allocated
    for (let attempt = 0; attempt < 2000; attempt++) {
      const section = attempt % 2 === 0 ? 'models' : 'differences'
      const bytes = Uint8Array.from(stored.get(section)!)
      const start = attempt % 3 === 0 ? 0 : random() * bytes.length
      for (let flips = random() * 4; flips > 0; flips--) {
        bytes[Math.floor((start + random() * 20) % bytes.length)] = random() * 256
      }
      const sections = memorySections(new Map(stored).set(section, bytes))
      try {
        const reader = await codec.open(tensor, sections, { kernels: own })
        await reader.read(out, 4096, base).finally(() => reader.close())
        assert.ok(out.f32.every(Number.isFinite))
      } catch (error) {
        assert.ok(error instanceof MalformedError && error.id === 'E_BAD_ENCODING')
      }
      assert.equal(own.allocated, used)
    }
    const blockBytes = 4096 * (1 + 1 + 2 + 2 + 4)
    assert.ok(own.peak - used <= MAX_MODELS * modelBytes(MODEL_BITS) + 256 + blockBytes)
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
