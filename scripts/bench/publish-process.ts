import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { createNode } from '../../node/node.ts'
import { publish } from '../../node/roles/publisher.ts'
import {
  compareCheckpoints,
  deltaTensor,
  encodeTensor,
  loadCodecs,
  openFolder,
  openKernels,
} from '../../src/index.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { dtypeBytes } from '../../src/tensors/dtype.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { reply } from './child.ts'
import { peakRssMb } from './figure.ts'
import { collectSections } from './memory-sections.ts'

/** One way of publishing, or the baseline, over models on disk; started by `publish.ts`. */

export interface PublishRun {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakRssMb: number
  /** Bits per weight of what was stored. */
  readonly bpw?: number
}

type Way = (home: string, base: string, post: string) => Promise<Partial<PublishRun>>

const ways: Readonly<Record<string, Way>> = {
  baseline: (_home, base, post) => Promise.resolve(hashFiles([base, post])),
  bitdelta: (home, base, post) => publishWith('bitdelta', home, base, post),
  raw: (home, base, post) => publishWith('raw', home, base, post),
  encode: encodeRaw,
  decode: decodeRaw,
}

const RAW = { codec: 'raw', parameters: {} }

const quiet = { signal: new AbortController().signal, onProgress: () => {} }

if (import.meta.main) {
  const [way, home, base, post] = process.argv.slice(2)
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const about = await ways[way!]!(home!, base!, post!)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const run: PublishRun = {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakRssMb: peakRssMb(),
    ...about,
  }
  reply(run)
}

/** All that `deltaswarm publish` does for two folders that the node has never seen. */
async function publishWith(codec: string, home: string, base: string, post: string) {
  const config = { home, listen: [], peers: [], threads: 1, device: 'cpu' } as const
  await using node = await createNode(config, { online: 'never' })
  const choice = { codec, parameters: {} }
  const request = { post, base, name: 'bench', codec: choice, edits: [], licence: 'CC0-1.0' }
  const { bpw } = await publish(node, request, quiet)
  return { bpw }
}

/** Every changed tensor through the codec, into nowhere. */
async function encodeRaw(_home: string, base: string, post: string) {
  const { from, to, changed, context, close } = await openBoth(base, post)
  for (const spec of changed) {
    const tensor = deltaTensor(from, to, spec, context.kernels)
    await encodeTensor(tensor, RAW, () => Promise.resolve(), context)
  }
  await close()
  return {}
}

/** Every changed tensor from memory back to the fine-tune's bytes; encoding does not count. */
async function decodeRaw(_home: string, base: string, post: string) {
  const { from, to, changed, context, close } = await openBoth(base, post)
  const { kernels, codecs } = context
  const capacity = BLOCK_ELEMENTS * dtypeBytes.F32
  const [out, baseBlock] = [kernels.allocate(capacity), kernels.allocate(capacity)]
  let cpuSeconds = 0
  for (const spec of changed) {
    const collected = collectSections()
    const tensor = deltaTensor(from, to, spec, kernels)
    const encoded = await encodeTensor(tensor, RAW, collected.sink, context)
    const sections = collected.sections()
    const before = process.cpuUsage()
    const reader = await codecs.get('raw').open(encoded, sections, context)
    const elements = elementsOf(spec.shape)
    for (let at = 0; at < elements; at += BLOCK_ELEMENTS) {
      const count = Math.min(BLOCK_ELEMENTS, elements - at)
      const width = dtypeBytes[spec.dtype]
      await from.read(spec.name, at * width, baseBlock.u8.subarray(0, count * width))
      await reader.readPost!(out, count, baseBlock)
    }
    reader.close()
    const { user, system } = process.cpuUsage(before)
    cpuSeconds += (user + system) / 1e6
  }
  await close()
  return { cpuSeconds }
}

async function openBoth(base: string, post: string) {
  const folders = await Promise.all([openFolder(base), openFolder(post)])
  const [from, to] = [folders[0]!.checkpoint, folders[1]!.checkpoint]
  const context = { codecs: await loadCodecs(), kernels: openKernels() }
  const { changed } = await compareCheckpoints(from, to)
  const close = () => Promise.all(folders.map((folder) => folder.close()))
  return { from, to, changed, context, close }
}

/** What taking the weights ids of both costs at least. */
function hashFiles(models: readonly string[]): object {
  const piece = Buffer.allocUnsafeSlow(2 ** 19)
  for (const model of models) {
    const file = openSync(join(model, 'model.safetensors'), 'r')
    const hash = createHash('sha256')
    for (;;) {
      const bytes = readSync(file, piece)
      if (bytes === 0) break
      hash.update(piece.subarray(0, bytes))
    }
    hash.digest()
    closeSync(file)
  }
  return {}
}
