import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { InvalidInputError, MalformedError, type SuiteItem } from '../src/index.ts'

/** Images as their pixels, one byte each, and the class that their folder stands for. */
export interface ImageFolder {
  readonly shape: readonly [channels: number, height: number, width: number]
  readonly labels: readonly string[]
  readonly items: readonly SuiteItem[]
}

/** Larger pictures are resized by nobody here, so no model would take them. */
const MAX_SIDE = 1024
const MAX_FILE_BYTES = 8 * 1024 * 1024

/**
 * Reads a folder of class folders of PNG files, as Hugging Face's ImageFolder: labels are numbered
 * in the order of the folders' names. Grey pictures have one channel, all others three. Rejects
 * with `InvalidInputError` `E_NO_IMAGES` without class folders, and with `MalformedError`
 * `E_BAD_IMAGE` that names the file.
 */
export async function readImageFolder(path: string, task: number): Promise<ImageFolder> {
  const entries = await readdir(path, { withFileTypes: true })
  const labels = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .toSorted()
  if (labels.length === 0) {
    throw new InvalidInputError('E_NO_IMAGES', `${path} has no class folders`, {
      expected: 'a folder per class with PNG files',
      actual: entries.map(({ name }) => name).slice(0, 5),
      fix: 'name the folder that holds the class folders',
    })
  }
  const items: SuiteItem[] = []
  let shape: ImageFolder['shape'] | undefined
  for (const [label, name] of labels.entries()) {
    const files = (await readdir(join(path, name)))
      .filter((file) => /\.png$/i.test(file))
      .toSorted()
    for (const file of files) {
      const image = decode(await readFile(join(path, name, file)), join(path, name, file))
      shape ??= image.shape
      if (shape.some((side, i) => side !== image.shape[i])) {
        throw badImage(join(path, name, file), shape.join('×'), image.shape.join('×'))
      }
      items.push({ task, pixels: image.pixels, label })
    }
  }
  if (shape === undefined) throw badImage(path, 'PNG files', 'none')
  return { shape, labels, items }
}

function decode(
  bytes: Buffer,
  path: string,
): { shape: readonly [number, number, number]; pixels: Uint8Array } {
  // The size stands at a fixed place and is checked before anything is unpacked.
  const [width, height] =
    bytes.length >= 24 ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] : [0, 0]
  if (
    bytes.length > MAX_FILE_BYTES ||
    width < 1 ||
    height < 1 ||
    Math.max(width, height) > MAX_SIDE
  ) {
    throw badImage(path, `a PNG of at most ${MAX_SIDE}×${MAX_SIDE}`, `${width}×${height}`)
  }
  let png: PNG
  try {
    png = PNG.sync.read(bytes)
  } catch (cause) {
    throw badImage(path, 'a PNG file', (cause as Error).message)
  }
  const grey = bytes[25] === 0 || bytes[25] === 4
  const channels = grey ? 1 : 3
  const pixels = new Uint8Array(channels * width * height)
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < channels; channel++) {
      pixels[channel * width * height + i] = png.data[4 * i + channel]!
    }
  }
  return { shape: [channels, height, width], pixels }
}

function badImage(path: string, expected: string, actual: string): MalformedError {
  return new MalformedError('E_BAD_IMAGE', `${path} cannot be used`, {
    expected,
    actual,
    fix: 'convert the pictures to PNG at the size of the model',
  })
}
