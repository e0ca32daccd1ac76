import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  checkWeights,
  type Architecture,
  loadArchitectures,
  readModel,
} from '../../src/models/index.ts'
import type { Registry } from '../../src/registry.ts'
import { type Config, tensorsOf } from '../contract/architecture.ts'
import { dataPath } from '../support/shared.ts'

const llama = parse(dataPath('llama/base/config.json'))
const vit = parse(fileURLToPath(new URL('../../node/demo/data/base/config.json', import.meta.url)))

describe('architectures', () => {
  let architectures: Registry<Architecture>
  before(async () => {
    architectures = await loadArchitectures()
  })

  it('read sizes from a configuration, as an object or as a Map', () => {
    const model = readModel(architectures, llama)
    assert.equal(model.modality, 'language')
    assert.equal(model.modality === 'language' && model.vocabulary, 1024)
    assert.equal(model.parts(2, 8).length, 6)
    const same = readModel(architectures, new Map(Object.entries(llama)))
    assert.deepEqual(
      same.parts(2, 8).map(({ program }) => program.key),
      model.parts(2, 8).map(({ program }) => program.key),
    )
  })

  it('take absent and default values for what they mean', () => {
    const spelled = {
      ...llama,
      rope_scaling: { rope_type: 'default' },
      rope_parameters: { rope_theta: 10_000, rope_type: 'default' },
      sliding_window: null,
    }
    const keys = [llama, spelled, { ...llama, head_dim: undefined, rope_theta: null }].map(
      (config) =>
        readModel(architectures, config)
          .parts(1, 4)
          .map(({ program }) => program.key),
    )
    assert.deepEqual(keys[1], keys[0])
    assert.deepEqual(keys[2], keys[0])
    const other = { ...llama, rope_parameters: { rope_theta: 5e5 } }
    assert.notDeepEqual(
      readModel(architectures, other).parts(1, 4)[1]!.program.key,
      readModel(architectures, llama).parts(1, 4)[1]!.program.key,
    )
  })

  for (const claimed of [['GPT2LMHeadModel'], 'LlamaForCausalLM', undefined]) {
    it(`refuse ${JSON.stringify(claimed)} as a class that none claims`, () => {
      assert.throws(
        () => readModel(architectures, { ...llama, architectures: claimed }),
        (error: Error & { id?: string }) =>
          error.id === 'E_UNSUPPORTED_CONFIG' &&
          error.message.startsWith('expected `architectures` in config.json to be a list that'),
      )
    })
  }

  it('refuse what is not an object', () => {
    for (const config of [null, 1, 'llama', [llama]]) {
      assert.throws(() => readModel(architectures, config), { id: 'E_BAD_CONFIG' })
    }
  })

  it('read a vision transformer without biases of query, key and value', () => {
    const [all, without] = [vit, { ...vit, qkv_bias: false }].map((config) => [
      ...readModel(architectures, config).parts(1, 1)[1]!.weights.values(),
    ])
    assert.deepEqual(
      all!.filter((name) => !without!.includes(name)),
      ['query', 'key', 'value'].map(
        (name) => `vit.encoder.layer.0.attention.attention.${name}.bias`,
      ),
    )
  })
})

describe('checkWeights', () => {
  let architectures: Registry<Architecture>
  before(async () => {
    architectures = await loadArchitectures()
  })

  it('accepts what a model needs, and tensors that it leaves alone', () => {
    const tensors = tensorsOf(readModel(architectures, llama))
    assert.equal(tensors.size, 4 * 9 + 3)
    const buffer = 'model.layers.0.self_attn.rotary_emb.inv_freq'
    tensors.set(buffer, { name: buffer, dtype: 'F32', shape: [16] })
    checkWeights(readModel(architectures, llama), tensors)
  })

  it('takes a tied head from the embedding, with or without a copy', () => {
    const tied = { ...llama, tie_word_embeddings: true }
    const tensors = tensorsOf(readModel(architectures, tied))
    assert.ok(!tensors.has('lm_head.weight'))
    checkWeights(readModel(architectures, tied), tensors)
    const head = { name: 'lm_head.weight', dtype: 'F32', shape: [1024, 128] } as const
    checkWeights(readModel(architectures, tied), tensors.set(head.name, head))
  })
})

function parse(path: string): Config {
  return JSON.parse(readFileSync(path, 'utf8')) as Config
}
