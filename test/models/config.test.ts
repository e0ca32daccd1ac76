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
import type { TensorSpec } from '../../src/tensors/tensor.ts'
import { dataPath } from '../support/shared.ts'

type Config = Readonly<Record<string, unknown>>

const llama = parse(dataPath('llama/base/config.json'))
const vit = parse(fileURLToPath(new URL('../../node/demo/data/base/config.json', import.meta.url)))

/** Configurations that mean another arithmetic or no model at all, by the key at fault. */
const unsupported: readonly (readonly [base: Config, change: Config, key: string])[] = [
  [llama, { architectures: ['GPT2LMHeadModel'] }, 'architectures'],
  [llama, { architectures: 'LlamaForCausalLM' }, 'architectures'],
  [llama, { hidden_act: 'gelu' }, 'hidden_act'],
  [llama, { attention_bias: true }, 'attention_bias'],
  [llama, { mlp_bias: true }, 'mlp_bias'],
  [llama, { sliding_window: 4096 }, 'sliding_window'],
  [llama, { quantization_config: { bits: 4 } }, 'quantization_config'],
  [llama, { rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_scaling.rope_type'],
  [llama, { rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling.type'],
  [llama, { rope_scaling: { factor: 2 } }, 'rope_scaling'],
  [llama, { rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters.rope_type'],
  [llama, { partial_rotary_factor: 0.5 }, 'partial_rotary_factor'],
  [llama, { rope_theta: 0 }, 'rope_theta'],
  [llama, { rms_norm_eps: '1e-5' }, 'rms_norm_eps'],
  [llama, { hidden_size: 2 ** 40 }, 'hidden_size'],
  [llama, { hidden_size: -128 }, 'hidden_size'],
  [llama, { num_hidden_layers: 1e9 }, 'num_hidden_layers'],
  [llama, { num_key_value_heads: 3 }, 'num_key_value_heads'],
  [llama, { num_attention_heads: 3, num_key_value_heads: 3, head_dim: null }, 'head_dim'],
  [llama, { head_dim: 31 }, 'head_dim'],
  [llama, { vocab_size: undefined }, 'vocab_size'],
  [llama, { tie_word_embeddings: 1 }, 'tie_word_embeddings'],
  [vit, { hidden_act: 'gelu_new' }, 'hidden_act'],
  [vit, { image_size: [28, 28] }, 'image_size'],
  [vit, { patch_size: 5 }, 'patch_size'],
  [vit, { num_attention_heads: 5 }, 'num_attention_heads'],
  [vit, { num_labels: 10 }, 'num_labels'],
  [vit, { num_channels: 0 }, 'num_channels'],
  [vit, { layer_norm_eps: NaN }, 'layer_norm_eps'],
]

describe('architectures', () => {
  let architectures: Registry<Architecture>
  before(async () => {
    architectures = await loadArchitectures()
  })

  it('are known by file name', () => {
    assert.deepEqual(architectures.ids, ['llama', 'vit'])
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

  it('share one program among equal layers', () => {
    for (const config of [llama, vit]) {
      const [, ...layers] = readModel(architectures, config).parts(2, 8).slice(0, -1)
      assert.equal(layers.length, 4)
      assert.equal(new Set(layers.map(({ program }) => program)).size, 1)
    }
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

  for (const [base, change, key] of unsupported) {
    it(`refuse ${JSON.stringify(change)} by the name of the key`, () => {
      assert.throws(
        () => readModel(architectures, { ...base, ...change }),
        (error: Error & { id?: string }) =>
          error.id === 'E_UNSUPPORTED_CONFIG' &&
          error.message.startsWith(`expected \`${key}\` in config.json to be `),
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

  function complete(config: Config): Map<string, TensorSpec> {
    const specs = readModel(architectures, config)
      .parts(1, 1)
      .flatMap(({ program, weights }) =>
        program.weights.map(({ name, shape }): [string, TensorSpec] => {
          const tensor = weights.get(name)!
          return [tensor, { name: tensor, dtype: 'BF16', shape }]
        }),
      )
    return new Map(specs)
  }

  it('accepts what a model needs, and tensors that it leaves alone', () => {
    const tensors = complete(llama)
    assert.equal(tensors.size, 4 * 9 + 3)
    const buffer = 'model.layers.0.self_attn.rotary_emb.inv_freq'
    tensors.set(buffer, { name: buffer, dtype: 'F32', shape: [16] })
    checkWeights(readModel(architectures, llama), tensors)
  })

  it('takes a tied head from the embedding, with or without a copy', () => {
    const tied = { ...llama, tie_word_embeddings: true }
    const tensors = complete(tied)
    assert.ok(!tensors.has('lm_head.weight'))
    checkWeights(readModel(architectures, tied), tensors)
    const head = { name: 'lm_head.weight', dtype: 'F32', shape: [1024, 128] } as const
    checkWeights(readModel(architectures, tied), tensors.set(head.name, head))
  })

  it('lists all that is missing, extra or wrong in one error', () => {
    const tensors = complete(llama)
    tensors.delete('model.norm.weight')
    const bias = {
      name: 'model.layers.0.self_attn.q_proj.bias',
      dtype: 'F32',
      shape: [128],
    } as const
    tensors.set(bias.name, bias)
    const turned = { name: 'lm_head.weight', dtype: 'F32', shape: [128, 1024] } as const
    tensors.set(turned.name, turned)
    const integer = 'model.layers.1.input_layernorm.weight'
    tensors.set(integer, { name: integer, dtype: 'I32', shape: [128] })
    assert.throws(() => checkWeights(readModel(architectures, llama), tensors), {
      id: 'E_WEIGHTS_MISFIT',
      details: {
        missing: ['model.norm.weight'],
        extra: [bias.name],
        wrong: [integer, 'lm_head.weight'],
      },
    })
  })
})

function parse(path: string): Config {
  return JSON.parse(readFileSync(path, 'utf8')) as Config
}
