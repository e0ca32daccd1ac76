import assert from 'node:assert/strict'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { ParameterValues } from '../../src/parameters.ts'
import type { Registry } from '../../src/registry.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { dtypeBytes } from '../../src/tensors/dtype.ts'
import { bytesOfFloats, collectSections, deltaTensor } from './memory-tensor.ts'
import { naiveGroups, type NaiveIntegers } from './naive-integers.ts'
import { entropyBits, normalFloats, pseudoRandom, roundHalf } from './numbers.ts'

/** Elements of each tensor. */
const N = 2 ** 20

describe('sizes of value codecs on tensors of 1 Mi elements', function () {
  this.timeout(60_000)
  const kernels = openKernels()
  const delta = heavyTailed(N)
  let codecs: Registry<Codec>
  before(async () => {
    codecs = await loadCodecs()
  })

  async function bytesOf(values: Float32Array, codec: string, parameters: ParameterValues) {
    const spec = { name: 'x', dtype: 'F32', shape: [1024, 1024] } as const
    const post = bytesOfFloats(values)
    const tensor = deltaTensor(kernels, { spec, delta: values, post, base: post })
    const { sink, stored } = collectSections()
    await encodeTensor(tensor, { codec, parameters }, sink, { kernels, codecs })
    return (section: string): number => stored.get(section)?.length ?? 0
  }

  for (const density of [0.5, 0.1, 0.01, 0.001]) {
    const kept = keepShare(delta, density)

    it(`sparse has its mask of density ${density} and its values at their entropy`, async () => {
      const stored = [...kept].filter((value) => value !== 0)
      for (const values of density === 0.1
        ? (['BF16', 'F16', 'F32'] as const)
        : ['BF16' as const]) {
        const bytes = await bytesOf(kept, 'sparse', { values })
        within(bytes('mask'), N * binaryEntropy(stored.length / N))
        within(bytes('values'), planeEntropy(stored, values))
      }
    })
  }

  for (const density of [0.5, 0.1, 0.01]) {
    it(`ternary takes H₂(k) + k bits at k = ${density}`, async () => {
      const bytes = await bytesOf(delta, 'ternary', { density })
      const bits = N * (binaryEntropy(density) + density) + 32
      within(bytes('mask') + bytes('signs') + bytes('scale'), bits)
    })
  }

  for (const [bits, group, scheme] of [
    [2, 128, 'symmetric'],
    [4, 128, 'symmetric'],
    [4, 64, 'asymmetric'],
    [8, 0, 'gptq'],
  ] as const) {
    it(`integer has ${scheme} codes of ${bits} bits and scales of groups of ${group} at their entropy`, async () => {
      const options: NaiveIntegers = { bits, group, scheme, dtype: 'BF16', row: 1024 }
      const bytes = await bytesOf(delta, 'integer', { bits, group, scheme })
      const groups = [...naiveGroups(delta, options)]
      const codes = entropyBits(groups.flatMap((one) => one.codes))
      const scales = planeEntropy(
        groups.map(({ scale }) => scale),
        'BF16',
      )
      const zeros = planeEntropy(
        groups.map(({ zero }) => (scheme === 'asymmetric' ? zero : 0)),
        'BF16',
      )
      within(bytes('codes'), codes)
      within(bytes('codes') + bytes('scales') + bytes('zeros'), codes + scales + zeros)
    })
  }

  it('integer packs codes that have no entropy to spare', async () => {
    const random = pseudoRandom(5)
    const uniform = Float32Array.from({ length: N }, () => 1 + Math.floor(random() * 15) - 8)
    const bytes = await bytesOf(uniform, 'integer', { bits: 4, group: 0, scale: 'F32' })
    assert.ok(bytes('codes') <= N / 2 + 16)
  })
})

/** Within 3 % of the entropy and 64 bytes. */
function within(bytes: number, bits: number): void {
  assert.ok(bytes <= 1.03 * (bits / 8) + 64, `${bytes} bytes, entropy ${bits / 8}`)
}

function binaryEntropy(k: number): number {
  return -k * Math.log2(k) - (1 - k) * Math.log2(1 - k)
}

/** Order-0 entropy of the bytes of the patterns, turned left by one bit, plane by plane. */
function planeEntropy(values: readonly number[], dtype: WeightDType): number {
  const width = dtypeBytes[dtype]
  const patterns = values.map((value) => {
    const turned = patternOf(value, dtype) * 2
    return (turned % 256 ** width) + Math.floor(turned / 256 ** width)
  })
  let bits = 0
  for (let plane = 0; plane < width; plane++) {
    bits += entropyBits(patterns.map((pattern) => Math.floor(pattern / 256 ** plane) % 256))
  }
  return bits
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

/** Normal values with a tail: one in a hundred is ten times as large. */
function heavyTailed(count: number): Float32Array {
  const random = pseudoRandom(11)
  return normalFloats(count, 12).map((value) => value * (random() < 0.01 ? 0.01 : 0.001))
}

function keepShare(values: Float32Array, density: number): Float32Array {
  const random = pseudoRandom(13)
  return values.map((value) => (random() < density ? value : 0))
}
