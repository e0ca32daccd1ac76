import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadOperators } from '../../src/operators/index.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'
import { dataPath, sharedPath, skip } from '../support/shared.ts'

const operators = await loadOperators()

/** Outputs of a numpy implementation on one matrix of a trained model, by the name it gave them. */
const cases: Readonly<Record<string, readonly [string, object]>> = {
  'dare_p0.9_seed0': ['dare', { p: 0.9 }],
  'drop_p0.9_seed0': ['drop', { p: 0.9 }],
  'gdare_p0.5_k-0.5_seed0': ['dare', { p: 0.5, k: -0.5 }],
  bitdelta: ['through', { codec: 'bitdelta' }],
  'trim_0.2': ['trim', { density: 0.2 }],
  svd_r8: ['low-rank', { rank: 8 }],
}

interface Models {
  readonly base: string
  readonly expert: string
  /** The outputs. */
  readonly golden: string
}

const models: Readonly<Record<string, Models | undefined>> = {
  'the language model de': {
    base: dataPath('llama/base'),
    expert: dataPath('llama/de'),
    golden: dataPath('reference/operators-de.safetensors'),
  },
  'the vision transformer kana': sharedModels('vit-tiny', 'kana'),
}

function sharedModels(family: string, expert: string): Models | undefined {
  const folder = sharedPath(`data/${family}`)
  return folder === undefined
    ? undefined
    : {
        base: `${folder}/base`,
        expert: `${folder}/${expert}`,
        golden: `${folder}/golden/operators.safetensors`,
      }
}

describe('operators beside a numpy implementation', () => {
  it('are all that it has', () => {
    const { keys } = readTensors(models['the language model de']!.golden)
    assert.deepEqual(keys.toSorted(), Object.keys(cases).toSorted())
  })

  for (const [model, paths] of Object.entries(models)) {
    for (const [key, [id, parameters]] of Object.entries(cases)) {
      it(`give the same values: ${key} of ${model}`, async function () {
        if (paths === undefined) return skip(this, 'the models are not beside the repository')
        const golden = readTensors(paths.golden)
        const name = golden.metadata['tensor']!
        const [base, post] = [paths.base, paths.expert].map((folder) =>
          readTensors(`${folder}/model.safetensors`).floats(name),
        )
        const delta = post!.map((value, i) => value - base![i]!)
        const options = { name, shape: golden.shape(key), parameters: { ...parameters } }
        const out = await runOnTensor(operators.get(id), [delta], options)
        const expected = golden.floats(key)
        // numpy keeps the sign of a dropped zero.
        const positiveZero = (value: number): number => value + 0
        if (id === 'low-rank') assertClose(out, expected)
        else assert.deepEqual(bits(out.map(positiveZero)), bits(expected.map(positiveZero)))
      })
    }
  }
})

/** Within 10⁻⁶ of the largest: numpy decomposes in f64. */
function assertClose(actual: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  const apart = actual.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i]!)), 0)
  assert.ok(apart <= 1e-6 * largest, `${apart} beside a largest value of ${largest}`)
}

interface Entry {
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/** The f32 tensors of a safetensors file. */
function readTensors(path: string) {
  const file = readFileSync(path)
  const start = 8 + Number(file.readBigUInt64LE())
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(
    file.toString('utf8', 8, start),
  ) as Record<string, Entry> & { readonly __metadata__?: Readonly<Record<string, string>> }
  return {
    metadata,
    keys: Object.keys(entries),
    shape: (key: string) => entries[key]!.shape,
    floats(key: string): Float32Array {
      const [from, to] = entries[key]!.data_offsets
      return new Float32Array(Uint8Array.from(file.subarray(start + from, start + to)).buffer)
    },
  }
}
