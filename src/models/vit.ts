import { primitive as add } from '../graphs/primitives/add.ts'
import { primitive as attention } from '../graphs/primitives/attention.ts'
import { primitive as gelu } from '../graphs/primitives/gelu.ts'
import { primitive as layerNorm } from '../graphs/primitives/layer-norm.ts'
import { primitive as linear } from '../graphs/primitives/linear.ts'
import { primitive as patchEmbedding } from '../graphs/primitives/patch-embedding.ts'
import { primitive as prependToken } from '../graphs/primitives/prepend-token.ts'
import { primitive as selectToken } from '../graphs/primitives/select-token.ts'
import type { Value } from '../graphs/primitive.ts'
import { buildProgram, type Program, type ProgramBuilder } from '../graphs/program.ts'
import { type ConfigReader, readConfig } from './config/config-reader.ts'
import { type Architecture, bindPart, HIDDEN } from './index.ts'

/** The vision transformer: a class token before the patches, a classifier on what becomes of it. */
export const architecture: Architecture = {
  id: 'vit',
  about: 'image classifier: patches and a class token through a pre-norm encoder',
  reference: 'Dosovitskiy et al. 2020, arXiv 2010.11929',
  classes: ['ViTForImageClassification'],
  read(config) {
    const sizes = readSizes(readConfig(config))
    return {
      architecture: 'vit',
      modality: 'image',
      image: [sizes.channels, sizes.side, sizes.side],
      labels: sizes.labels,
      tokens: sizes.patches + 1,
      parts(items) {
        const layer = layerProgram(sizes, items)
        return [
          bindPart(embeddingProgram(sizes, items), 'vit.embeddings.'),
          ...Array.from({ length: sizes.layers }, (_, i) =>
            bindPart(layer, `vit.encoder.layer.${i}.`),
          ),
          bindPart(headProgram(sizes, items), ''),
        ]
      },
      unused: (name) => name.startsWith('vit.pooler.'),
    }
  },
}

interface Sizes {
  readonly channels: number
  readonly side: number
  readonly patch: number
  readonly patches: number
  readonly width: number
  readonly inner: number
  readonly layers: number
  readonly heads: number
  readonly labels: number
  readonly epsilon: number
  readonly qkvBias: boolean
}

/** Upper bounds are a few times the largest published model's, so that sizes multiply safely. */
function readSizes(config: ConfigReader): Sizes {
  config.allow('hidden_act', 'gelu')
  config.allow('quantization_config')
  const side = config.size('image_size', 4096, 224)
  const patch = config.size('patch_size', 4096, 16)
  if (side % patch !== 0) config.refuse('patch_size', `a divisor of the image size ${side}`)
  const width = config.size('hidden_size', 65_536, 768)
  const heads = config.size('num_attention_heads', 1024, 12)
  if (width % heads !== 0) config.refuse('num_attention_heads', `a divisor of ${width}`)
  const named = config.has('id2label') ? config.entries('id2label') : 2
  const labels = config.size('num_labels', 2 ** 20, named)
  if (config.has('id2label') && labels !== named) {
    config.refuse('num_labels', `the ${named} of id2label`)
  }
  return {
    channels: config.size('num_channels', 64, 3),
    side,
    patch,
    patches: (side / patch) ** 2,
    width,
    inner: config.size('intermediate_size', 262_144, 3072),
    layers: config.size('num_hidden_layers', 1024, 12),
    heads,
    labels,
    epsilon: config.positive('layer_norm_eps', 0.1, 1e-12),
    qkvBias: config.flag('qkv_bias', true),
  }
}

function embeddingProgram(sizes: Sizes, items: number): Program {
  const { channels, side, patch, patches, width } = sizes
  return buildProgram('vit/embedding', ({ input, weight, apply }) => {
    const embedded = apply(patchEmbedding, [
      input('pixels', [items, channels, side, side]),
      weight('patch_embeddings.projection.weight', [width, channels, patch, patch]),
      weight('patch_embeddings.projection.bias', [width]),
    ])
    const tokens = apply(prependToken, [embedded, weight('cls_token', [1, 1, width])])
    return apply(add, [tokens, weight('position_embeddings', [1, patches + 1, width])])
  })
}

function layerProgram(sizes: Sizes, items: number): Program {
  const { width, inner, heads, patches, epsilon, qkvBias } = sizes
  return buildProgram('vit/layer', (builder) => {
    const { input, apply } = builder
    const x = input(HIDDEN, [items, patches + 1, width])

    const a = apply(layerNorm, [x, ...affine(builder, 'layernorm_before', width)], { epsilon })
    const parts = ['query', 'key', 'value'].map((name) =>
      apply(linear, [a, ...dense(builder, `attention.attention.${name}`, width, width, qkvBias)]),
    )
    const mixed = apply(attention, parts, { heads, groups: heads, causal: false })
    const out = dense(builder, 'attention.output.dense', width, width)
    const y = apply(add, [apply(linear, [mixed, ...out]), x])

    const b = apply(layerNorm, [y, ...affine(builder, 'layernorm_after', width)], { epsilon })
    const grown = apply(linear, [b, ...dense(builder, 'intermediate.dense', inner, width)])
    const shrunk = dense(builder, 'output.dense', width, inner)
    return apply(add, [apply(linear, [apply(gelu, [grown]), ...shrunk]), y])
  })
}

function headProgram(sizes: Sizes, items: number): Program {
  const { width, patches, labels, epsilon } = sizes
  return buildProgram('vit/head', (builder) => {
    const { input, apply } = builder
    const x = input(HIDDEN, [items, patches + 1, width])
    const first = apply(selectToken, [x], { index: 0 })
    const normed = apply(layerNorm, [first, ...affine(builder, 'vit.layernorm', width)], {
      epsilon,
    })
    return apply(linear, [normed, ...dense(builder, 'classifier', labels, width)])
  })
}

function affine({ weight }: ProgramBuilder, name: string, width: number): Value[] {
  return [weight(`${name}.weight`, [width]), weight(`${name}.bias`, [width])]
}

/** Weight, and bias where there is one. */
function dense(
  { weight }: ProgramBuilder,
  name: string,
  outputs: number,
  inputs: number,
  biased = true,
): Value[] {
  const matrix = weight(`${name}.weight`, [outputs, inputs])
  return biased ? [matrix, weight(`${name}.bias`, [outputs])] : [matrix]
}
