import type { SuiteContents } from '../../src/evaluation/build-suite.ts'
import type { ImageItem, TextItem } from '../../src/evaluation/suite.ts'

/** 2 × 3 images of two tasks, told apart by their first pixel. */
export function imageItems(count: number): ImageItem[] {
  return Array.from({ length: count }, (_, i) => ({
    task: i % 2,
    pixels: Uint8Array.of(i, i >> 8, 3, 4, 5, 6),
    label: i % 3,
  }))
}

export function imageSuite(count: number): SuiteContents {
  return {
    name: 'shapes',
    modality: 'image',
    metric: 'loss',
    tasks: [
      { name: 'left', labelOffset: 0, labels: 3 },
      { name: 'right', labelOffset: 3, labels: 3 },
    ],
    items: imageItems(count),
    image: { shape: [1, 2, 3], encoding: 'u8', mean: 0.5, deviation: 0.5 },
    licence: 'CC0-1.0',
  }
}

export function textItem(ids: readonly number[], targets: readonly number[], task = 0): TextItem {
  return { task, ids: int32(ids), targets: int32(targets) }
}

export function textSuite(): SuiteContents {
  return {
    name: 'words',
    modality: 'language',
    metric: 'loss',
    tasks: [{ name: 'en' }],
    items: [
      textItem([1, 2, 3], [2, 3, -100]),
      textItem([4, 5, 6], [-100, 6, -100]),
      textItem([7], [8]),
    ],
    licence: 'CC0-1.0',
  }
}

function int32(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer)
}
