import { primitive as add } from '../graphs/primitives/add.ts'
import { primitive as attention } from '../graphs/primitives/attention.ts'
import { primitive as embedding } from '../graphs/primitives/embedding.ts'
import { primitive as linear } from '../graphs/primitives/linear.ts'
import { primitive as multiply } from '../graphs/primitives/multiply.ts'
import { primitive as rmsNorm } from '../graphs/primitives/rms-norm.ts'
import { primitive as rotary } from '../graphs/primitives/rotary.ts'
import { primitive as silu } from '../graphs/primitives/silu.ts'
import { primitive as tokenLosses } from '../graphs/primitives/token-losses.ts'
import { buildProgram, type Program } from '../graphs/program.ts'
import { type ConfigReader, readConfig } from './config/config-reader.ts'
import { type Architecture, bindPart, HIDDEN } from './index.ts'

/**
 * LLaMA 1 to 3 without scaled rotary positions: RMSNorm, rotary positions, grouped heads, SwiGLU.
 */
export const architecture: Architecture = {
  id: 'llama',
  about: 'decoder with RMSNorm, rotary positions, grouped key heads and SwiGLU',
  reference: 'Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv 2407.21783',
  classes: ['LlamaForCausalLM'],
  read(config) {
    const sizes = readSizes(readConfig(config))
    return {
      architecture: 'llama',
      modality: 'language',
      vocabulary: sizes.vocabulary,
      maxTokens: sizes.maxTokens,
      parts(items, tokens) {
        const layer = layerProgram(sizes, items, tokens)
        const head = bindPart(headProgram(sizes, items, tokens), '')
        const tied = new Map(head.weights).set(HEAD, EMBEDDING)
        return [
          bindPart(embeddingProgram(sizes, items, tokens), ''),
          ...Array.from({ length: sizes.layers }, (_, i) => bindPart(layer, `model.layers.${i}.`)),
          sizes.tied ? { ...head, weights: tied } : head,
        ]
      },
      unused: (name) => name.endsWith('.rotary_emb.inv_freq') || (sizes.tied && name === HEAD),
    }
  },
}

const EMBEDDING = 'model.embed_tokens.weight'
const HEAD = 'lm_head.weight'

interface Sizes {
  readonly width: number
  readonly inner: number
  readonly layers: number
  readonly heads: number
  readonly groups: number
  readonly headWidth: number
  readonly vocabulary: number
  readonly maxTokens: number
  readonly epsilon: number
  readonly theta: number
  readonly tied: boolean
}

/** Upper bounds are a few times the largest published model's, so that sizes multiply safely. */
function readSizes(config: ConfigReader): Sizes {
  config.allow('hidden_act', 'silu')
  config.allow('attention_bias', false)
  config.allow('mlp_bias', false)
  config.allow('sliding_window')
  config.allow('quantization_config')
  config.allow('partial_rotary_factor', 1)
  const rope = config.section('rope_parameters')
  rope.allow('rope_type', 'default')
  rope.allow('partial_rotary_factor', 1)
  const scaling = config.section('rope_scaling')
  const scaled = ['rope_type', 'type'].find((key) => scaling.has(key))
  if (scaled !== undefined) scaling.allow(scaled, 'default')
  else config.allow('rope_scaling')
  const width = config.size('hidden_size', 65_536)
  const heads = config.size('num_attention_heads', 1024)
  const groups = config.size('num_key_value_heads', 1024, heads)
  if (heads % groups !== 0) config.refuse('num_key_value_heads', `a divisor of ${heads}`)
  const headWidth = config.size('head_dim', 1024, width / heads)
  if (headWidth % 2 !== 0) config.refuse('head_dim', 'even')
  return {
    width,
    inner: config.size('intermediate_size', 262_144),
    layers: config.size('num_hidden_layers', 1024),
    heads,
    groups,
    headWidth,
    vocabulary: config.size('vocab_size', 2 ** 21),
    maxTokens: config.size('max_position_embeddings', 2 ** 24, 2048),
    epsilon: config.positive('rms_norm_eps', 0.1, 1e-6),
    theta: (rope.has('rope_theta') ? rope : config).positive('rope_theta', 1e12, 10_000),
    tied: config.flag('tie_word_embeddings', false),
  }
}

function embeddingProgram(sizes: Sizes, items: number, tokens: number): Program {
  return buildProgram('llama/embedding', ({ input, weight, apply }) => {
    const table = weight(EMBEDDING, [sizes.vocabulary, sizes.width])
    return apply(embedding, [table, input('ids', [items, tokens], 'int32')])
  })
}

function layerProgram(sizes: Sizes, items: number, tokens: number): Program {
  const { width, inner, heads, groups, headWidth, epsilon, theta } = sizes
  return buildProgram('llama/layer', ({ input, weight, apply }) => {
    const x = input(HIDDEN, [items, tokens, width])

    const a = apply(rmsNorm, [x, weight('input_layernorm.weight', [width])], { epsilon })
    const q = apply(linear, [a, weight('self_attn.q_proj.weight', [heads * headWidth, width])])
    const k = apply(linear, [a, weight('self_attn.k_proj.weight', [groups * headWidth, width])])
    const v = apply(linear, [a, weight('self_attn.v_proj.weight', [groups * headWidth, width])])
    const turned = [q, k].map((value) => apply(rotary, [value], { headWidth, theta }))
    const mixed = apply(attention, [...turned, v], { heads, groups, causal: true })
    const out = weight('self_attn.o_proj.weight', [width, heads * headWidth])
    const y = apply(add, [x, apply(linear, [mixed, out])])

    const b = apply(rmsNorm, [y, weight('post_attention_layernorm.weight', [width])], { epsilon })
    const gate = apply(linear, [b, weight('mlp.gate_proj.weight', [inner, width])])
    const up = apply(linear, [b, weight('mlp.up_proj.weight', [inner, width])])
    const product = apply(multiply, [apply(silu, [gate]), up])
    return apply(add, [y, apply(linear, [product, weight('mlp.down_proj.weight', [width, inner])])])
  })
}

function headProgram(sizes: Sizes, items: number, tokens: number): Program {
  const { width, vocabulary, epsilon } = sizes
  return buildProgram('llama/head', ({ input, weight, apply }) => {
    const x = input(HIDDEN, [items, tokens, width])
    const normed = apply(rmsNorm, [x, weight('model.norm.weight', [width])], { epsilon })
    const logits = apply(linear, [normed, weight(HEAD, [vocabulary, width])])
    return apply(tokenLosses, [logits, input('targets', [items, tokens], 'int32')])
  })
}
