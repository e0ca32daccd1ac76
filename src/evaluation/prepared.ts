import { MalformedError } from '../errors.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { type DType, dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf, sameShape, type TensorSpec } from '../tensors/tensor.ts'
import { MAX_LABELS } from './suite-format.ts'
import {
  IGNORED_TARGET,
  type ImageItem,
  type SuiteImage,
  type SuiteItem,
  type SuiteTask,
  type TextItem,
} from './suite.ts'

/** What a prepared file holds; an image's mean and deviation are the preprocessor's to say. */
export interface PreparedItems {
  readonly modality: 'image' | 'language'
  readonly task: SuiteTask
  readonly image?: Pick<SuiteImage, 'shape' | 'encoding'>
  readonly items: readonly SuiteItem[]
}

/**
 * Reads items from tensors that a preprocessor or tokeniser has prepared, in Hugging Face's names:
 *
 * - `input_ids` [N, T] I32 or I64 with `labels` of the same shape. Labels are unshifted, so that
 * the
 *   target of position t is labels[t + 1], unless the metadata's `labels` is `shifted` or begins with
 *   `already shifted`. Without `labels` the ids are their own.
 * - `pixel_values` [N, C, H, W] F32, or `pixels` [N, H, W] or [N, C, H, W] U8, with `labels` [N].
 *   `label_offset` and `num_labels` of the metadata say which logits compete; labels count from the
 *   offset.
 *
 * −100 means no target; an image so labelled is left out. Other tensors are ignored. Throws
 * `MalformedError` `E_BAD_ITEMS` that names the tensor, and the row where there is one.
 */
export async function itemsOfPrepared(
  checkpoint: Checkpoint,
  metadata: ReadonlyMap<string, string>,
  { name, task = 0 }: { readonly name: string; readonly task?: number },
): Promise<PreparedItems> {
  const inputs = ['input_ids', 'pixel_values', 'pixels'].filter((id) => checkpoint.tensors.has(id))
  const spec = inputs.length === 1 ? checkpoint.tensors.get(inputs[0]!) : undefined
  if (spec === undefined) {
    const names = [...checkpoint.tensors.keys()].slice(0, 20).join(', ')
    throw bad(
      'one of input_ids, pixel_values, pixels',
      inputs.join(' and ') || names || 'no tensor',
    )
  }
  return spec.name === 'input_ids'
    ? await readTexts(checkpoint, spec, metadata, { name, task })
    : await readImages(checkpoint, spec, metadata, { name, task })
}

interface Place {
  readonly name: string
  readonly task: number
}

async function readTexts(
  checkpoint: Checkpoint,
  ids: TensorSpec,
  metadata: ReadonlyMap<string, string>,
  { name, task }: Place,
): Promise<PreparedItems> {
  checkSpec(ids, ['I32', 'I64'], [2])
  const [rows, length] = ids.shape as [number, number]
  const labels = checkpoint.tensors.get('labels') ?? ids
  checkSpec(labels, ['I32', 'I64'], [2])
  if (!sameShape(labels.shape, ids.shape)) {
    throw bad(`\`labels\` [${ids.shape.join(', ')}] as input_ids`, `[${labels.shape.join(', ')}]`)
  }
  const shift = labels !== ids && isShifted(metadata) ? 0 : 1
  const items: TextItem[] = []
  for (let row = 0; row < rows; row++) {
    const rowIds = await readIntegers(checkpoint, ids, row, length)
    const rowLabels = await readIntegers(checkpoint, labels, row, length)
    rowIds.forEach((id, t) => checkLabel(id, `input_ids[${row}][${t}]`, MAX_LABELS))
    const targets = rowIds.map((_, t) => rowLabels[t + shift] ?? IGNORED_TARGET)
    targets.forEach((target, t) => {
      if (target !== IGNORED_TARGET) checkLabel(target, `labels[${row}][${t + shift}]`, MAX_LABELS)
    })
    if (targets.every((target) => target === IGNORED_TARGET)) {
      throw bad(`\`labels[${row}]\` with at least one target`, 'none')
    }
    items.push({ task, ids: int32Bytes(rowIds), targets: int32Bytes(targets) })
  }
  return { modality: 'language', task: { name }, items }
}

async function readImages(
  checkpoint: Checkpoint,
  pixels: TensorSpec,
  metadata: ReadonlyMap<string, string>,
  { name, task }: Place,
): Promise<PreparedItems> {
  const encoding = pixels.name === 'pixels' ? 'u8' : 'f32'
  checkSpec(pixels, [encoding === 'u8' ? 'U8' : 'F32'], encoding === 'u8' ? [3, 4] : [4])
  const rows = pixels.shape[0]!
  const [height, width] = pixels.shape.slice(-2) as [number, number]
  const shape = [pixels.shape.length === 4 ? pixels.shape[1]! : 1, height, width] as const
  const labels = checkpoint.tensors.get('labels')
  if (labels === undefined)
    throw bad(`\`labels\` [${rows}] beside ${pixels.name}`, 'no such tensor')
  checkSpec(labels, ['U8', 'I8', 'I16', 'U16', 'I32', 'U32', 'I64'], [1])
  if (labels.shape[0] !== rows) throw bad(`\`labels\` [${rows}]`, `[${labels.shape[0]}]`)

  const competing = logitsOf(metadata)
  const bytes = elementsOf(shape) * dtypeBytes[pixels.dtype]
  const answers = await readIntegers(checkpoint, labels, 0, rows)
  const items: ImageItem[] = []
  for (const [row, label] of answers.entries()) {
    if (label === IGNORED_TARGET) continue
    checkLabel(label, `labels[${row}]`, competing.labels ?? MAX_LABELS)
    const image = new Uint8Array(bytes)
    await checkpoint.read(pixels.name, row * bytes, image)
    if (encoding === 'f32' && !allFinite(image)) {
      throw bad(`\`pixel_values[${row}]\` finite`, 'NaN or an infinity')
    }
    items.push({ task, pixels: image, label })
  }
  return { modality: 'image', task: { name, ...competing }, image: { shape, encoding }, items }
}

function isShifted(metadata: ReadonlyMap<string, string>): boolean {
  const labels = metadata.get('labels')
  return labels === 'shifted' || labels?.startsWith('already shifted') === true
}

function logitsOf(metadata: ReadonlyMap<string, string>): Omit<SuiteTask, 'name'> {
  const [offset, labels] = [metadata.get('label_offset'), metadata.get('num_labels')]
  if (offset === undefined && labels === undefined) return {}
  if (labels === undefined) throw bad('`num_labels` beside label_offset', 'no such metadata')
  const labelOffset = metadataNumber('label_offset', offset ?? '0', 0)
  return { labelOffset, labels: metadataNumber('num_labels', labels, 1) }
}

function metadataNumber(name: string, text: string, min: number): number {
  const value = Number(text)
  if (/^\d{1,8}$/.test(text) && value >= min && value < MAX_LABELS) return value
  throw bad(`\`${name}\` in the metadata a whole number in [${min}, ${MAX_LABELS})`, text)
}

function checkSpec(spec: TensorSpec, dtypes: readonly DType[], ranks: readonly number[]): void {
  if (!dtypes.includes(spec.dtype)) {
    throw bad(`\`${spec.name}\` as ${dtypes.join(' or ')}`, spec.dtype)
  }
  const { shape } = spec
  if (!ranks.includes(shape.length) || shape.includes(0)) {
    const wanted = `with ${ranks.join(' or ')} dimensions, none of them 0`
    throw bad(`\`${spec.name}\` ${wanted}`, `[${shape.join(', ')}]`)
  }
}

function checkLabel(value: number, at: string, end: number): void {
  if (value < 0 || value >= end) throw bad(`\`${at}\` in [0, ${end})`, value)
}

/** `count` whole numbers of row `row`, whatever their width. */
async function readIntegers(
  checkpoint: Checkpoint,
  spec: TensorSpec,
  row: number,
  count: number,
): Promise<number[]> {
  const size = dtypeBytes[spec.dtype]
  const bytes = new Uint8Array(count * size)
  await checkpoint.read(spec.name, row * bytes.length, bytes)
  const buffer = Buffer.from(bytes.buffer)
  const unsigned = spec.dtype.startsWith('U')
  return Array.from({ length: count }, (_, i) => {
    if (size === 8) return Number(buffer.readBigInt64LE(i * 8))
    return unsigned ? buffer.readUIntLE(i * size, size) : buffer.readIntLE(i * size, size)
  })
}

function int32Bytes(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setInt32(i * 4, value, true))
  return bytes
}

function allFinite(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; at += 4) {
    if (!Number.isFinite(view.getFloat32(at, true))) return false
  }
  return true
}

function bad(expected: string, actual: unknown): MalformedError {
  return new MalformedError('E_BAD_ITEMS', `expected ${expected}, got ${String(actual)}`, {
    expected,
    actual,
    fix: 'prepare the items again with these names, shapes and dtypes',
  })
}
