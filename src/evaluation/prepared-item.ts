import type { Region } from '../compute/kernels.ts'
import { InvalidInputError } from '../errors.ts'
import type { ImageModel, LanguageModel, Model } from '../models/index.ts'
import { elementsOf, sameShape } from '../tensors/tensor.ts'
import {
  IGNORED_TARGET,
  type ImageItem,
  pixelBytes,
  type SuiteImage,
  type SuiteItem,
  type SuiteRoot,
  type TextItem,
} from './suite.ts'

/** An item that has been checked against a model and knows its way into and out of a batch. */
export interface PreparedItem {
  /** Tokens of the graph that it runs in; an item that is shorter is padded. */
  readonly tokens: number
  /** Fills row `row` of the graph input `ids`, `targets` or `pixels`. */
  fill(input: string, row: number, region: Region): void
  /** Reads row `row` of the head's result. */
  outcome(row: number, result: Region): Outcome
}

export interface Outcome {
  /**
   * Mean negative log-likelihood of the item's targets in nats; not finite when the logits are not.
   */
  readonly loss: number
  /** Images: the label has the largest logit among those that compete, the first of equals. */
  readonly correct: boolean
}

/**
 * Throws `InvalidInputError` `E_BAD_ITEM` that begins with `where` and names the value when the
 * item is not of the model's modality, sizes or ranges.
 */
export function prepareItem(
  model: Model,
  root: SuiteRoot,
  item: SuiteItem,
  where: string,
): PreparedItem {
  if (model.modality === 'language' && 'ids' in item) return prepareText(model, item, where)
  const { image } = root
  if (model.modality === 'image' && 'pixels' in item && image !== undefined) {
    return prepareImage(model, root, image, item, where)
  }
  throw bad(`${where} to be of modality ${model.modality}`, root.modality)
}

/** Attention holds a score for every two tokens: 64 MiB for each head of an item of this length. */
const MAX_ITEM_TOKENS = 4096

function prepareText(model: LanguageModel, item: TextItem, where: string): PreparedItem {
  const { vocabulary } = model
  const maxTokens = Math.min(model.maxTokens, MAX_ITEM_TOKENS)
  const ids = int32s(item.ids)
  const targets = int32s(item.targets)
  if (ids.length < 1 || ids.length > maxTokens || item.ids.length % 4 !== 0) {
    throw bad(`${where} to have 1 to ${maxTokens} ids`, `${item.ids.length / 4}`)
  }
  if (item.targets.length !== item.ids.length) {
    throw bad(`${where} to have one target per id`, `${targets.length} for ${ids.length}`)
  }
  const inside = (id: number): boolean => id >= 0 && id < vocabulary
  const id = ids.find((id) => !inside(id))
  if (id !== undefined) throw bad(`ids of ${where} in [0, ${vocabulary})`, id)
  const target = targets.find((target) => target !== IGNORED_TARGET && !inside(target))
  if (target !== undefined) throw bad(`targets of ${where} in [0, ${vocabulary})`, target)
  const count = targets.reduce((n, target) => n + Number(target !== IGNORED_TARGET), 0)
  if (count === 0) throw bad(`${where} to have at least one target`, 'none')

  const tokens = Math.min(paddedLength(ids.length), maxTokens)
  return {
    tokens,
    fill(input, row, region) {
      const values = region.i32.subarray(row * tokens, (row + 1) * tokens)
      // An id of its own, so that no weight counts that the item does not use: 0 · NaN is NaN.
      values.fill(input === 'ids' ? ids.at(-1)! : IGNORED_TARGET)
      values.set(input === 'ids' ? ids : targets)
    },
    outcome(row, result) {
      let sum = 0
      targets.forEach((target, t) => {
        if (target !== IGNORED_TARGET) sum += result.f32[row * tokens + t]!
      })
      return { loss: sum / count, correct: false }
    },
  }
}

/**
 * The next of 16, 24, 32, 48, 64 …: few lengths, hence few graphs, for at most half as many tokens
 * again. What follows an item changes nothing in it, because attention is causal.
 */
function paddedLength(tokens: number): number {
  let power = 16
  while (power < tokens) power *= 2
  return tokens <= 0.75 * power ? Math.max(16, 0.75 * power) : power
}

function prepareImage(
  model: ImageModel,
  root: SuiteRoot,
  image: SuiteImage,
  item: ImageItem,
  where: string,
): PreparedItem {
  const { pixels, label } = item
  const elements = elementsOf(image.shape)
  const task = root.tasks[item.task]
  if (task === undefined) throw bad(`task of ${where} below ${root.tasks.length}`, item.task)
  const { labelOffset: offset = 0, labels = model.labels - offset } = task
  if (!sameShape(image.shape, model.image)) {
    throw bad(`${where} of shape ${model.image.join(' × ')}`, image.shape.join(' × '))
  }
  if (pixels.length !== elements * pixelBytes(image)) {
    throw bad(`${where} to have ${elements * pixelBytes(image)} bytes`, pixels.length)
  }
  if (offset < 0 || labels < 1 || offset + labels > model.labels) {
    throw bad(`labels of ${where} within the model's ${model.labels}`, `${offset} + ${labels}`)
  }
  if (!Number.isInteger(label) || label < 0 || label >= labels) {
    throw bad(`label of ${where} in [0, ${labels})`, label)
  }

  return {
    tokens: model.tokens,
    fill: (_input, row, region) =>
      fillPixels(image, pixels, region.f32.subarray(row * elements, (row + 1) * elements)),
    outcome(row, result) {
      const start = row * model.labels + offset
      return classify(result.f32.subarray(start, start + labels), label)
    },
  }
}

/** Each step is rounded to f32, as preprocessors do it. */
function fillPixels(image: SuiteImage, pixels: Uint8Array, out: Float32Array): void {
  if (image.encoding === 'f32') {
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(pixels)
    return
  }
  const [mean, deviation] = [Math.fround(image.mean), Math.fround(image.deviation)]
  const values = Float32Array.from({ length: 256 }, (_, pixel) =>
    Math.fround(Math.fround(Math.fround(pixel / 255) - mean) / deviation),
  )
  for (let i = 0; i < pixels.length; i++) out[i] = values[pixels[i]!]!
}

/** log Σ e^logits − logits[label], in f64. */
function classify(logits: Float32Array, label: number): Outcome {
  const highest = logits.reduce((highest, logit) => Math.max(highest, logit), -Infinity)
  const sum = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0)
  const loss = Math.log(sum) + highest - logits[label]!
  return { loss, correct: Number.isFinite(loss) && logits.indexOf(highest) === label }
}

/** The bytes may stand at any offset, so they are copied. */
function int32s(bytes: Uint8Array): Int32Array {
  const copy = bytes.slice(0, bytes.length - (bytes.length % 4))
  return new Int32Array(copy.buffer, copy.byteOffset, copy.length / 4)
}

function bad(expected: string, actual: string | number): InvalidInputError {
  return new InvalidInputError('E_BAD_ITEM', `expected ${expected}, got ${actual}`, {
    expected,
    actual,
  })
}
