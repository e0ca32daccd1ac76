import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import {
  buildSuite,
  type CID,
  IncompatibleError,
  InvalidInputError,
  itemsOfPrepared,
  NotFoundError,
  openSafetensors,
  splitSuites,
  type SuiteImage,
  type SuiteItem,
  type SuiteTask,
} from '../../src/index.ts'
import { readImageFolder } from '../image-folder.ts'
import { sizesOf } from '../library.ts'
import type { SwarmNode } from '../node.ts'

export interface AddDataRequest {
  /** Prepared safetensors files or image folders; each is a task. */
  readonly paths: readonly string[]
  readonly name: string
  readonly metric: 'loss' | 'accuracy'
  /** Names of the parts into which the items are split by hash; empty for one suite. */
  readonly split: readonly string[]
  /** How u8 pixels become numbers: (pixel / 255 − mean) / deviation. */
  readonly mean: number
  readonly deviation: number
  /** First logit of an image folder's classes. */
  readonly labelOffset: number
  readonly licence: string
}

export interface AddedSuite {
  readonly id: CID
  readonly name: string
  readonly items: number
  readonly shards: number
  readonly bytes: number
  readonly summary: string
}

interface Source {
  readonly modality: 'image' | 'language'
  readonly task: SuiteTask
  readonly items: readonly SuiteItem[]
  readonly image?: Pick<SuiteImage, 'shape' | 'encoding'>
}

/**
 * Makes suites of data, stores them as blocks and announces them: peers can fetch and re-measure.
 */
export async function addData(
  node: SwarmNode,
  request: AddDataRequest,
): Promise<readonly AddedSuite[]> {
  const sources: Source[] = []
  for (const [task, path] of request.paths.entries())
    sources.push(await readSource(path, task, request))
  const first = sources[0]!
  for (const source of sources) checkAlike(first, source)
  const items = sources.flatMap((source) => source.items)
  const parts = request.split.length === 0 ? [items] : splitSuites(items, request.split.length)
  const added: AddedSuite[] = []
  for (const [i, part] of parts.entries()) {
    const name = request.split.length === 0 ? request.name : `${request.name}.${request.split[i]!}`
    const { root, rootCid, blocks } = buildSuite({
      name,
      modality: first.modality,
      metric: request.metric,
      tasks: sources.map(({ task }) => task),
      items: part,
      ...(first.image === undefined
        ? {}
        : {
            image: {
              ...first.image,
              ...(first.image.encoding === 'u8'
                ? { mean: request.mean, deviation: request.deviation }
                : { mean: 0, deviation: 1 }),
            },
          }),
      licence: request.licence,
    })
    for (const { cid, bytes } of blocks) await node.store.blocks.put(cid, bytes)
    await node.store.blocks.flush()
    await node.store.data.set(name, rootCid.toString())
    const { ownBytes } = await sizesOf(node.store, rootCid)
    const tasks = root.tasks.map((task) => task.name).join(', ')
    const summary = `${root.items} ${root.modality} items of ${tasks}`
    await node.author.announce({
      kind: 'suite',
      root: rootCid,
      name,
      bytes: ownBytes,
      closureBytes: ownBytes,
      summary,
    })
    added.push({
      id: rootCid,
      name,
      items: root.items,
      shards: root.shards.length,
      bytes: ownBytes,
      summary,
    })
  }
  return added
}

async function readSource(path: string, task: number, request: AddDataRequest): Promise<Source> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) {
    const { items, labels, shape } = await readImageFolder(path, task)
    return {
      modality: 'image',
      task: { name: basename(path), labelOffset: request.labelOffset, labels: labels.length },
      items,
      image: { shape, encoding: 'u8' },
    }
  }
  if (found === undefined) {
    throw new NotFoundError('E_FILE_MISSING', `there is no ${path}`, {
      expected: 'a file or a folder',
      actual: 'nothing',
      fix: 'check the path',
    })
  }
  if (extname(path) !== '.safetensors') {
    throw new InvalidInputError('E_DATA_KIND', `${path} is no data that can be measured on yet`, {
      expected:
        'a safetensors file with input_ids, pixel_values or pixels, or a folder of PNG folders',
      actual: extname(path) || 'a file without extension',
      fix: 'text is not tokenised here yet: prepare input_ids (and labels) in a safetensors file',
    })
  }
  const file = await openSafetensors(path)
  try {
    return await itemsOfPrepared(file, file.metadata, {
      name: basename(path, '.safetensors'),
      task,
    })
  } finally {
    await file.close()
  }
}

function checkAlike(a: Source, b: Source): void {
  const [shapeA, shapeB] = [a, b].map(({ modality, image }) =>
    image === undefined ? modality : `${modality} ${image.shape.join('×')} ${image.encoding}`,
  )
  if (shapeA === shapeB) return
  throw new IncompatibleError('E_DATA_MIXED', 'one suite holds items of one kind only', {
    expected: shapeA,
    actual: shapeB,
    fix: 'add them under two names',
  })
}
