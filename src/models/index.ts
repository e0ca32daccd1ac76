import { IncompatibleError } from '../errors.ts'
import type { Program } from '../graphs/program.ts'
import { loadRegistry, type Registry } from '../registry.ts'
import { isWeightDType } from '../tensors/dtype.ts'
import { sameShape, type TensorSpec } from '../tensors/tensor.ts'
import { readConfig } from './config/config-reader.ts'

/**
 * An architecture turns a model's `config.json` into programs. It describes the arithmetic once;
 * which graphs are made of a program, and where its weights come from, is not its concern.
 */
export interface Architecture {
  readonly id: string
  readonly about: string
  readonly reference: string
  /** Names in the `architectures` entry of `config.json` that mean this one. */
  readonly classes: readonly string[]
  /**
   * Throws `InvalidInputError` `E_UNSUPPORTED_CONFIG` on anything that the programs do not compute.
   */
  read(config: unknown): Model
}

/** Names that the programs of all architectures use for what flows between them. */
export const HIDDEN = 'hidden'

interface ModelBase {
  readonly architecture: string
  /**
   * The model cut into an embedding, its layers and a head, for a batch of `items` rows of `tokens`
   * tokens. Each part takes `HIDDEN` from the part before it; the first takes ids or pixels.
   */
  parts(items: number, tokens: number): readonly Part[]
  /** Tensors that checkpoints may carry and the model does not use. */
  unused(name: string): boolean
}

export interface LanguageModel extends ModelBase {
  readonly modality: 'language'
  /** Ids and targets are below it. */
  readonly vocabulary: number
  /** The longest item. */
  readonly maxTokens: number
}

export interface ImageModel extends ModelBase {
  readonly modality: 'image'
  /** [channels, height, width] */
  readonly image: readonly [number, number, number]
  /** Logits per item. */
  readonly labels: number
  /** Tokens per item, whatever the image shows. */
  readonly tokens: number
}

/**
 * The first part of a language model takes int32 `ids` [items, tokens], of an image model `pixels`
 * [items, channels, height, width]. The last gives losses [items, tokens] from `HIDDEN` and int32
 * `targets` [items, tokens], or logits [items, labels].
 */
export type Model = LanguageModel | ImageModel

/** Equal layers share one program and differ in the tensors that they bind to its weights. */
export interface Part {
  readonly program: Program
  /** Tensor names by the names of the program's weights. */
  readonly weights: ReadonlyMap<string, string>
}

export function loadArchitectures(): Promise<Registry<Architecture>> {
  return loadRegistry<Architecture>('architecture', import.meta.url)
}

/**
 * The model that a parsed `config.json` describes. Throws `InvalidInputError`
 * `E_UNSUPPORTED_CONFIG` when no architecture claims it or a value is not supported, and
 * `MalformedError` `E_BAD_CONFIG` when it is not an object.
 */
export function readModel(architectures: Registry<Architecture>, config: unknown): Model {
  const reader = readConfig(config)
  const name = reader.first('architectures') ?? ''
  const all = architectures.ids.map((id) => architectures.get(id))
  const found = all.find(({ classes }) => classes.includes(name))
  if (found !== undefined) return found.read(config)
  const classes = all.flatMap((architecture) => architecture.classes)
  return reader.refuse('architectures', `a list that begins with ${classes.join(' or ')}`)
}

/** A part's binding where every tensor is its weight's name behind a prefix. */
export function bindPart(program: Program, prefix: string): Part {
  return { program, weights: new Map(program.weights.map(({ name }) => [name, prefix + name])) }
}

/**
 * Checks that weights are complete, of the right shapes and nothing but what the model uses. Throws
 * one `IncompatibleError` `E_WEIGHTS_MISFIT` whose `details` list every tensor concerned.
 */
export function checkWeights(model: Model, tensors: ReadonlyMap<string, TensorSpec>): void {
  const needed = new Map<string, readonly number[]>()
  for (const { program, weights } of model.parts(1, 1)) {
    for (const { name, shape } of program.weights) needed.set(weights.get(name)!, shape)
  }
  const missing = [...needed.keys()].filter((name) => !tensors.has(name))
  const extra = [...tensors.keys()].filter((name) => !needed.has(name) && !model.unused(name))
  const wrong = [...tensors.values()].filter(({ name, dtype, shape }) => {
    const expected = needed.get(name)
    return expected !== undefined && !(sameShape(shape, expected) && isWeightDType(dtype))
  })
  if (missing.length + extra.length + wrong.length === 0) return
  const faults = [
    ...missing.map((name) => `${name} is missing`),
    ...extra.map((name) => `${name} is not part of the model`),
    ...wrong.map(
      ({ name, dtype, shape }) =>
        `${name} is ${dtype} [${shape.join(', ')}] instead of [${needed.get(name)!.join(', ')}]`,
    ),
  ]
  throw new IncompatibleError(
    'E_WEIGHTS_MISFIT',
    `the weights do not fit the ${model.architecture} model of config.json: ${faults.join('; ')}`,
    {
      expected: `${needed.size} tensors`,
      actual: `${tensors.size} tensors`,
      fix: 'use the config.json that the weights were saved with',
      details: { missing, extra, wrong: wrong.map(({ name }) => name) },
    },
  )
}
