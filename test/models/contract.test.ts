import assert from 'node:assert/strict'
import { loadArchitectures } from '../../src/models/index.ts'
import { architectureContract, type ArchitectureUse } from '../contract/architecture.ts'

const architectures = await loadArchitectures()

/** How to use each architecture; one without an entry here fails below. */
const uses = new Map<string, ArchitectureUse>([
  [
    'llama',
    {
      config: {
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        vocab_size: 11,
      },
      layers: 3,
      refused: [
        [{ hidden_act: 'gelu' }, 'hidden_act'],
        [{ attention_bias: true }, 'attention_bias'],
        [{ mlp_bias: true }, 'mlp_bias'],
        [{ sliding_window: 4096 }, 'sliding_window'],
        [{ quantization_config: { bits: 4 } }, 'quantization_config'],
        [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor'],
        [{ rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters.rope_type'],
        [
          { rope_parameters: { partial_rotary_factor: 0.5 } },
          'rope_parameters.partial_rotary_factor',
        ],
        [{ rope_parameters: { rope_theta: '10000' } }, 'rope_parameters.rope_theta'],
        [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_scaling.rope_type'],
        [{ rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling.type'],
        [{ rope_scaling: { factor: 2 } }, 'rope_scaling'],
        [{ rope_theta: 0 }, 'rope_theta'],
        [{ rms_norm_eps: '1e-5' }, 'rms_norm_eps'],
        [{ hidden_size: 2 ** 40 }, 'hidden_size'],
        [{ hidden_size: -128 }, 'hidden_size'],
        [{ intermediate_size: 12.5 }, 'intermediate_size'],
        [{ num_hidden_layers: 1e9 }, 'num_hidden_layers'],
        [{ num_attention_heads: 0 }, 'num_attention_heads'],
        [{ num_attention_heads: 3 }, 'head_dim'],
        [{ num_key_value_heads: 3 }, 'num_key_value_heads'],
        [{ head_dim: 31 }, 'head_dim'],
        [{ vocab_size: undefined }, 'vocab_size'],
        [{ max_position_embeddings: 2 ** 25 }, 'max_position_embeddings'],
        [{ tie_word_embeddings: 1 }, 'tie_word_embeddings'],
      ],
    },
  ],
  [
    'vit',
    {
      config: {
        image_size: 8,
        patch_size: 4,
        num_channels: 2,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        num_labels: 5,
      },
      layers: 3,
      refused: [
        [{ hidden_act: 'gelu_new' }, 'hidden_act'],
        [{ quantization_config: { bits: 4 } }, 'quantization_config'],
        [{ image_size: [28, 28] }, 'image_size'],
        [{ patch_size: 5 }, 'patch_size'],
        [{ num_channels: 0 }, 'num_channels'],
        [{ hidden_size: '8' }, 'hidden_size'],
        [{ intermediate_size: 2 ** 20 }, 'intermediate_size'],
        [{ num_hidden_layers: 0.5 }, 'num_hidden_layers'],
        [{ num_attention_heads: 5 }, 'num_attention_heads'],
        [{ num_labels: 2 ** 21 }, 'num_labels'],
        [{ id2label: { 0: 'a' }, num_labels: 2 }, 'num_labels'],
        [{ id2label: 'hello' }, 'id2label'],
        [{ id2label: [1, 2] }, 'id2label'],
        [{ layer_norm_eps: NaN }, 'layer_norm_eps'],
        [{ qkv_bias: 'true' }, 'qkv_bias'],
      ],
    },
  ],
])

describe('architectures', () => {
  it('are llama and vit', () => {
    assert.deepEqual(architectures.ids, ['llama', 'vit'])
    assert.deepEqual([...uses.keys()], architectures.ids)
  })

  for (const [id, use] of uses) {
    describe(id, () => architectureContract(architectures.get(id), use))
  }
})
