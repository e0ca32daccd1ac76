import assert from 'node:assert/strict'
import type { Codec, EncodedTensor } from '../../src/codecs/index.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import { decodedDigest, verifyTensor } from '../../src/codecs/manifest/verify.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError, VerificationError } from '../../src/errors.ts'
import type { ParameterValues } from '../../src/parameters.ts'
import { registryOf } from '../../src/registry.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { dtypeBytes, type WeightDType, weightDTypes } from '../../src/tensors/dtype.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import {
  bytesOfFloats,
  collectSections,
  deltaTensor,
  hex,
  memorySections,
  sha256Hex,
  type TestTensor,
} from '../codecs/memory-tensor.ts'
import { runOutOfMemory } from '../support/failing-kernels.ts'
import { pseudoRandom, subtract, widenBytes } from '../codecs/numbers.ts'

/** One way to use a codec, and what it must decode to. */
export interface CodecCase {
  readonly parameters: ParameterValues
  /** Brings a delta into a form that the codec accepts; the delta itself where left out. */
  prepare?(name: string, delta: Float32Array): Float32Array
  /** The decoded f32 delta, computed naively; the delta itself where left out. */
  decoded?(name: string, delta: Float32Array): Float32Array
  /** A shape of that many elements; one dimension where left out. */
  shape?(count: number): readonly number[]
  /** Share of the norm by which what is decoded may be off; 0, that is the same bits, where left out. */
  tolerance?: number
}

/** What every codec promises, for one entry and the ways to use it. */
export function codecContract(codec: Codec, cases: readonly CodecCase[]): void {
  for (const use of cases) {
    describe(`codec ${codec.id} with ${JSON.stringify(use.parameters)}`, () => {
      contractOf(codec, use)
    })
  }
}

function contractOf(codec: Codec, use: CodecCase): void {
  // What is asserted knows nothing of threads.
  const kernels = openKernels({ threads: 2 })
  const context = { kernels, codecs: registryOf('codec', [codec]) }
  const { parameters } = use

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))
  after(() => kernels.close())

  function makeTensor(count: number, dtype: WeightDType, name = TENSOR): TestTensor {
    const { spec, ...tensor } = randomTensor(count, dtype, name)
    const shape = use.shape?.(count) ?? spec.shape
    const delta = use.prepare?.(name, tensor.delta) ?? tensor.delta
    return { ...tensor, spec: { ...spec, shape }, delta }
  }

  async function encode(tensor: TestTensor, chunkBlocks?: number) {
    const { sink, stored } = collectSections()
    const given = deltaTensor(kernels, tensor, chunkBlocks)
    const encoded = await encodeTensor(given, { codec: codec.id, parameters }, sink, context)
    return { encoded, stored }
  }

  async function decode(
    tensor: TestTensor,
    encoded: EncodedTensor,
    stored: ReadonlyMap<string, Uint8Array>,
    { blocks = 16, post = false } = {},
  ): Promise<Buffer> {
    const elements = elementsOf(encoded.spec.shape)
    const baseWidth = dtypeBytes[encoded.spec.dtype]
    const width = post ? baseWidth : 4
    const reader = await codec.open(encoded, memorySections(stored), context)
    const size = Math.min(elements, blocks * BLOCK_ELEMENTS)
    const [out, base] = [kernels.allocate(size * width), kernels.allocate(size * baseWidth)]
    try {
      const pieces: Uint8Array[] = []
      for (let from = 0; from < elements; from += size) {
        const count = Math.min(size, elements - from)
        base.u8.set(tensor.base.subarray(from * baseWidth, (from + count) * baseWidth))
        await (post ? reader.readPost!(out, count, base) : reader.read(out, count, base))
        pieces.push(Uint8Array.from(out.u8.subarray(0, count * width)))
      }
      return Buffer.concat(pieces)
    } finally {
      reader.close()
      reader.close()
      kernels.release(out)
      kernels.release(base)
    }
  }

  function assertDecoded(actual: Buffer, { spec, delta }: TestTensor): void {
    const expected = use.decoded?.(spec.name, delta) ?? delta
    if (use.tolerance === undefined) {
      assert.equal(firstDifference(actual, bytesOfFloats(expected)), -1)
    } else assert.ok(distance(widenBytes('F32', actual), expected) <= use.tolerance)
  }

  /** Bytes are refused, or finite values that the hash refuses, or the values that were encoded. */
  async function acceptsOnlyTheSame(
    tensor: TestTensor,
    encoded: EncodedTensor,
    stored: ReadonlyMap<string, Uint8Array>,
    original: Uint8Array,
  ): Promise<void> {
    const sections = memorySections(stored)
    const verified = verifyTensor(codec, encoded, sections, readBase(tensor), context)
    const accepted = await verified.then(() => true, onlyRefusals)
    const decoded = await decode(tensor, encoded, stored).catch(onlyRefusals)
    assert.equal(accepted, decoded !== false && firstDifference(decoded, original) === -1)
    assert.ok(decoded === false || widenBytes('F32', decoded).every(Number.isFinite))
  }

  for (const dtype of weightDTypes) {
    for (const count of [0, 1, BLOCK_ELEMENTS - 1, BLOCK_ELEMENTS + 1]) {
      it(`decodes ${count} elements of ${dtype} to what it declares`, async () => {
        const tensor = makeTensor(count, dtype)
        const { encoded, stored } = await encode(tensor)
        const decoded = await decode(tensor, encoded, stored)
        assertDecoded(decoded, tensor)
        if (codec.exact) {
          const post = await decode(tensor, encoded, stored, { post: true })
          assert.equal(firstDifference(post, tensor.post), -1)
        }
        const lost = widenBytes('F32', decoded).reduce(
          (sum, value, i) => sum + (value - tensor.delta[i]!) ** 2,
          0,
        )
        const { error } = encoded.loss
        assert.ok(codec.exact ? error === 0 : Math.abs(error - lost) <= 1e-9 * lost)
        assert.equal(hex(encoded.sha256), sha256Hex(codec.exact ? tensor.post : decoded))
        const digest = await decodedDigest(
          codec,
          encoded,
          memorySections(stored),
          readBase(tensor),
          context,
        )
        assert.equal(hex(digest), hex(encoded.sha256))
      })
    }
  }

  it('stores and decodes the same bytes for chunks of 1, 3 and 16 blocks', async () => {
    const tensor = makeTensor(4 * BLOCK_ELEMENTS + 77, 'BF16')
    const whole = await encode(tensor, 16)
    const decoded = await decode(tensor, whole.encoded, whole.stored)
    for (const blocks of [1, 3, 16]) {
      assert.deepEqual(await encode(tensor, blocks), whole)
      const again = await decode(tensor, whole.encoded, whole.stored, { blocks })
      assert.equal(firstDifference(again, decoded), -1)
    }
  })

  it('decodes a zero delta to +0', async () => {
    const { base, spec } = makeTensor(1000, 'BF16')
    const tensor = { spec, base, post: base, delta: new Float32Array(1000) }
    const { encoded, stored } = await encode(tensor)
    assert.equal(firstDifference(await decode(tensor, encoded, stored), Buffer.alloc(4000)), -1)
  })

  for (const name of ['__proto__', 'a\0b', '重み.0.💡', '../x', ' ', 'a'.repeat(512)]) {
    it(`takes a tensor named ${JSON.stringify(name.slice(0, 20))}`, async () => {
      const tensor = makeTensor(33, 'F32', name)
      const { encoded, stored } = await encode(tensor)
      assert.equal(encoded.spec.name, name)
      assertDecoded(await decode(tensor, encoded, stored), tensor)
    })
  }

  it('refuses sections that are cut, too long or absent', async () => {
    const tensor = makeTensor(BLOCK_ELEMENTS + 9, 'F32')
    const { encoded, stored } = await encode(tensor)
    const original = await decode(tensor, encoded, stored)
    for (const [section, bytes] of stored) {
      const zero = new Uint8Array(1)
      for (const damaged of [bytes.subarray(0, -1), Buffer.concat([bytes, zero])]) {
        const sections = new Map(stored).set(section, damaged)
        await assert.rejects(decode(tensor, encoded, sections), MalformedError)
      }
      const sections = new Map(stored)
      sections.delete(section)
      await acceptsOnlyTheSame(tensor, encoded, sections, original)
    }
  })

  for (const dtype of weightDTypes) {
    it(`decodes garbage in ${dtype} to finite values at most, accepted only if the same`, () =>
      decodesGarbage(dtype))
  }

  async function decodesGarbage(dtype: WeightDType): Promise<void> {
    const tensor = makeTensor(5000, dtype)
    const { encoded, stored } = await encode(tensor)
    const original = await decode(tensor, encoded, stored)
    const random = pseudoRandom(7)
    for (const [section, bytes] of stored) {
      for (let attempt = 0; attempt < 40; attempt++) {
        const garbage = Uint8Array.from(bytes)
        if (attempt < 10) for (let i = 0; i < garbage.length; i++) garbage[i] = random() * 256
        else garbage[Math.floor(random() * garbage.length)]! ^= 1 << (attempt & 7)
        const sections = new Map(stored).set(section, garbage)
        await acceptsOnlyTheSame(tensor, encoded, sections, original)
      }
    }
  }

  it('allocates no more than a few blocks for a tensor that claims 2³¹ elements', async () => {
    const tensor = makeTensor(64, 'F32')
    const { encoded, stored } = await encode(tensor)
    const spec = { ...encoded.spec, shape: use.shape?.(2 ** 31) ?? [2 ** 31] }
    const before = kernels.peak
    await codec.open({ ...encoded, spec }, memorySections(stored), context).then(
      (reader) => reader.close(),
      (error: unknown) => assert.ok(error instanceof MalformedError),
    )
    assert.ok(kernels.peak - before < 16 * 4 * BLOCK_ELEMENTS)
  })

  it('refuses stored parameters that claim what its sections do not hold', async () => {
    const tensor = makeTensor(5000, 'F32')
    const { encoded, stored } = await encode(tensor)
    const original = await decode(tensor, encoded, stored)
    const before = kernels.peak
    for (const [name, value] of Object.entries(encoded.parameters)) {
      for (const claim of typeof value === 'number' ? numbers(value) : choices) {
        const parameters = { ...encoded.parameters, [name]: claim }
        await acceptsOnlyTheSame(tensor, { ...encoded, parameters }, stored, original)
      }
    }
    assert.ok(kernels.peak - before < 16 * 4 * BLOCK_ELEMENTS)
  })

  it('refuses sections that say they hold 2⁴⁰ bytes', async () => {
    const tensor = makeTensor(5000, 'F32')
    const { encoded, stored } = await encode(tensor)
    const sections = memorySections(stored)
    for (const section of stored.keys()) {
      const bytes = (name: string): number => (name === section ? 2 ** 40 : sections.bytes(name))
      await assert.rejects(codec.open(encoded, { ...sections, bytes }, context), MalformedError)
    }
  })

  it('refuses unknown, missing and ill-typed stored parameters and other dtypes', async () => {
    const tensor = makeTensor(64, 'F32')
    const { encoded, stored } = await encode(tensor)
    const entries = Object.entries(encoded.parameters)
    const damaged: EncodedTensor[] = [
      { ...encoded, parameters: { ...encoded.parameters, other: 1 } },
      { ...encoded, spec: { ...encoded.spec, dtype: 'I64' } },
      ...entries.map((_, i) => ({
        ...encoded,
        parameters: Object.fromEntries(entries.toSpliced(i, 1)),
      })),
      ...entries.map(([name]) => ({
        ...encoded,
        parameters: { ...encoded.parameters, [name]: [1] },
      })),
    ]
    for (const bad of damaged) {
      await assert.rejects(
        codec.open(bad, memorySections(stored), context),
        (error) => error instanceof MalformedError && error.id === 'E_BAD_ENCODING',
      )
    }
  })

  it('gives memory back wherever it runs out', async () => {
    const tensor = makeTensor(5000, 'BF16')
    const given = deltaTensor(kernels, tensor)
    const { encoded, stored } = await encode(tensor)
    await runOutOfMemory(kernels, (full) =>
      encodeTensor(given, { codec: codec.id, parameters }, async () => {}, {
        ...context,
        kernels: full,
      }),
    )
    await runOutOfMemory(kernels, (full) =>
      decodedDigest(codec, encoded, memorySections(stored), readBase(tensor), {
        ...context,
        kernels: full,
      }),
    )
  })

  it('refuses counts that are not whole blocks', async () => {
    const tensor = makeTensor(BLOCK_ELEMENTS + 1, 'F32')
    const { encoded, stored } = await encode(tensor)
    const reader = await codec.open(encoded, memorySections(stored), context)
    const out = kernels.allocate(8 * BLOCK_ELEMENTS)
    await assert.rejects(reader.read(out, 5, out), RangeError)
    await assert.rejects(reader.read(out, BLOCK_ELEMENTS + 2, out), RangeError)
    reader.close()
    kernels.release(out)
  })
}

function readBase(tensor: TestTensor) {
  return async (offset: number, into: Uint8Array) => {
    into.set(tensor.base.subarray(offset, offset + into.length))
  }
}

function onlyRefusals(error: unknown): false {
  assert.ok(error instanceof MalformedError || error instanceof VerificationError)
  return false
}

/** What a hostile author might say instead of a number, or of one of several words. */
function numbers(value: number): readonly number[] {
  return [0, 1, value - 1, value + 1, 2 * value, -value, 0.5, 255, 65_536, 2 ** 31, 2 ** 53, NaN]
}

const choices = ['', 'F32', 'BF16', 'F16', 'keep', 'plus', 'row', 'column', 'group', 'explicit']

const TENSOR = 'model.layers.0.mlp.up_proj.weight'

/** A base and a post that differ in most elements, by little; every eighth is equal in both. */
function randomTensor(count: number, dtype: WeightDType, name: string): TestTensor {
  const random = pseudoRandom(count + dtype.length)
  const width = dtypeBytes[dtype]
  const base = new Uint8Array(count * width)
  for (let i = 0; i < count; i++) {
    // Finite in each dtype: the exponent is below its maximum.
    for (let byte = 0; byte < width; byte++) base[i * width + byte] = random() * 256
    base[i * width + width - 1]! &= 0xbb
  }
  const post = Uint8Array.from(base)
  for (let i = 0; i < count; i++) if (i % 8 !== 3) post[i * width]! ^= random() * 256
  const delta = subtract(widenBytes(dtype, post), widenBytes(dtype, base))
  return { spec: { name, dtype, shape: [count] }, base, post, delta }
}

/** ‖actual − expected‖ ÷ ‖expected‖, 0 where both are 0. */
function distance(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length)
  let [off, norm] = [0, 0]
  for (const [i, value] of expected.entries()) {
    off += (actual[i]! - value) ** 2
    norm += value ** 2
  }
  return off === 0 ? 0 : Math.sqrt(off / norm)
}

function firstDifference(actual: Uint8Array, expected: Uint8Array): number {
  if (actual.length !== expected.length) return Math.min(actual.length, expected.length)
  if (Buffer.compare(actual, expected) === 0) return -1
  return actual.findIndex((byte, i) => byte !== expected[i])
}
