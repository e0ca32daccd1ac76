import assert from 'node:assert/strict'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { openSafetensors } from '../../src/checkpoints/files.ts'
import { MalformedError } from '../../src/errors.ts'
import { itemsOfPrepared } from '../../src/evaluation/prepared.ts'
import { readImageFolder } from '../../node/image-folder.ts'
import { sharedPath, skip } from '../support/shared.ts'
import { command, openWorkplace, type Workplace } from './cli/command.ts'

/** Grey pictures: what the pixel of a class, a file and a place is. */
const SIDE = 4
const grey = (label: number, file: number, at: number): number =>
  (40 * label + 10 * file + at) % 256

describe('an image folder', () => {
  let place: Workplace
  let folder: string

  beforeEach(async () => {
    place = await openWorkplace()
    folder = place.path('images')
    for (const [label, name] of ['apple', 'pear'].entries()) {
      await mkdir(join(folder, name), { recursive: true })
      // Written in the wrong order: the order of the names counts.
      for (const file of [1, 0]) {
        const pixels = Array.from({ length: SIDE * SIDE }, (_, at) => grey(label, file, at))
        await writeFile(join(folder, name, `${file}.png`), pngOf(SIDE, SIDE, pixels, 0))
      }
    }
  })
  afterEach(() => place.remove())

  it('is its pixels, class by class and file by file in the order of names', async () => {
    // Not a class, whatever lies in it.
    await mkdir(join(folder, '.cache'))
    const { shape, labels, items } = await readImageFolder(folder, 3)
    assert.deepEqual(
      [shape, labels],
      [
        [1, SIDE, SIDE],
        ['apple', 'pear'],
      ],
    )
    assert.deepEqual(
      items.map((item) => ({ ...item, pixels: [...(item as { pixels: Uint8Array }).pixels] })),
      [0, 1].flatMap((label) =>
        [0, 1].map((file) => ({
          task: 3,
          label,
          pixels: Array.from({ length: SIDE * SIDE }, (_, at) => grey(label, file, at)),
        })),
      ),
    )
  })

  it('reads colours as three planes', async () => {
    await rm(folder, { recursive: true })
    await mkdir(join(folder, 'red'), { recursive: true })
    const rgb = Array.from({ length: 3 * 6 }, (_, i) => i * 10)
    await writeFile(join(folder, 'red', 'a.png'), pngOf(3, 2, rgb, 2))
    const { shape, items } = await readImageFolder(folder, 0)
    assert.deepEqual(shape, [3, 2, 3])
    const planes = [0, 1, 2].flatMap((channel) => rgb.filter((_, i) => i % 3 === channel))
    assert.deepEqual([...(items[0] as { pixels: Uint8Array }).pixels], planes)
  })

  it('names the picture that does not fit', async () => {
    const odd = join(folder, 'pear', 'odd.png')
    await writeFile(odd, pngOf(2, 2, [1, 2, 3, 4], 0))
    await refuses(/odd\.png cannot be used/, '1×4×4', '1×2×2')
    const bytes = pngOf(
      SIDE,
      SIDE,
      Array.from({ length: SIDE * SIDE }, () => 7),
      0,
    )
    await writeFile(odd, bytes.subarray(0, bytes.length - 20))
    await refuses(/odd\.png cannot be used/, 'a PNG file')
    await writeFile(odd, 'not a picture')
    await refuses(/odd\.png cannot be used/)
    const vast = Buffer.from(bytes)
    vast.writeUInt32BE(2 ** 30, 16)
    await writeFile(odd, vast)
    await refuses(/odd\.png cannot be used/, 'a PNG of at most 1024×1024', '1073741824×4')
  })

  it('refuses a folder without classes, and classes without pictures', async () => {
    await assert.rejects(readImageFolder(join(folder, 'pear'), 0), { id: 'E_NO_IMAGES' })
    for (const name of ['apple', 'pear']) {
      for (const file of [0, 1]) await rm(join(folder, name, `${file}.png`))
    }
    await refuses(/cannot be used/, 'PNG files', 'none')
  })

  it('becomes a suite at the command line, and the same one again', async () => {
    const argv = ['data', 'add', folder, '-n', 'fruit', '--json', '--home', place.path('home')]
    const first = await command(argv)
    assert.equal(first.code, 0, first.stderr)
    const { suites } = first.json() as { suites: { id: string; items: number; shards: number }[] }
    assert.deepEqual([suites[0]!.items, suites[0]!.shards], [4, 1])
    await cp(folder, place.path('elsewhere/images'), { recursive: true })
    argv[2] = place.path('elsewhere/images')
    assert.deepEqual((await command(argv)).json(), first.json())
  })

  it('gives the pixels and labels of the prepared tensors of real data', async function () {
    const real = sharedPath('data/vit-tiny/imagefolder/digits/test')
    const prepared = sharedPath('data/vit-tiny/eval/digits.safetensors')
    if (real === undefined || prepared === undefined) {
      return skip(this, 'vit-tiny is not beside the repository')
    }
    const file = await openSafetensors(prepared)
    const { items } = await itemsOfPrepared(file, file.metadata, { name: 'digits', task: 0 })
    await file.close()
    const images = await readImageFolder(real, 0)
    const key = (item: unknown): string => {
      const { label, pixels } = item as { label: number; pixels: Uint8Array }
      return `${label} ${Buffer.from(pixels).toString('base64')}`
    }
    const known = new Set(items.map(key))
    const found = images.items.filter((item) => known.has(key(item)))
    assert.ok(images.items.length > 0)
    assert.equal(found.length, images.items.length)
  })

  async function refuses(message: RegExp, expected?: string, actual?: string): Promise<void> {
    await assert.rejects(readImageFolder(folder, 0), (error: unknown) => {
      assert.ok(error instanceof MalformedError)
      assert.equal(error.id, 'E_BAD_IMAGE')
      assert.match(error.message, message)
      if (expected !== undefined) assert.equal(error.expected, expected)
      if (actual !== undefined) assert.equal(error.actual, actual)
      return true
    })
  }
})

/** A PNG of 8-bit samples; colour type 0 is grey, 2 is RGB. */
function pngOf(
  width: number,
  height: number,
  samples: readonly number[],
  colorType: 0 | 2,
): Buffer {
  const png = new PNG({ width, height })
  const channels = colorType === 0 ? 1 : 3
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) png.data[4 * i + c] = samples[channels * i + (c % channels)]!
    png.data[4 * i + 3] = 255
  }
  return PNG.sync.write(png, { colorType })
}
