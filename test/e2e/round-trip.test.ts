import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { SwarmNode } from '../../node/node.ts'
import { exportFolder } from '../../node/roles/exporter.ts'
import { publish } from '../../node/roles/publisher.ts'
import { openDelta } from '../../protocol/index.ts'
import type { CID } from '../../src/canonical.ts'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { inScope } from '../../src/operators/index.ts'
import { weightDTypes } from '../../src/tensors/dtype.ts'
import { dataPath, demoPath } from '../support/shared.ts'
import { experts } from '../support/variants.ts'
import {
  bytesIn,
  copyFolder,
  idOf,
  temporaryFolder,
  type TemporaryFolder,
  withFolder,
} from './model-folders.ts'
import { openNode, quiet } from './nodes.ts'

const models: readonly { name: string; base: string; post: string }[] = [
  ...experts.map((name) => ({
    name: `the vision transformer ${name}-light`,
    base: demoPath('base'),
    post: demoPath(`${name}-light`),
  })),
  { name: 'the language model de', base: dataPath('llama/base'), post: dataPath('llama/de') },
]

describe('a published fine-tune', function () {
  this.timeout(60_000)

  const kernels = openKernels()
  let folder: TemporaryFolder
  let node: SwarmNode
  let folders = 0

  before(async () => {
    folder = await temporaryFolder()
    node = await openNode(join(folder.path, 'home'), 'never')
  })
  after(async () => {
    await node.stop()
    await folder[Symbol.asyncDispose]()
  })

  for (const { name, base, post } of models) {
    for (const dtype of weightDTypes) {
      it(`comes back bit for bit: ${name} in ${dtype}`, async () => {
        const [from, to] = [newPath(), newPath()]
        await copyFolder(base, from, (weights) => castCheckpoint(weights, dtype, kernels))
        await copyFolder(post, to, (weights) => castCheckpoint(weights, dtype, kernels))
        await sameTensors(await exportOf(await publishAs('raw', from, to)), to)
      })
    }
  }

  it('names the weights that a raw delta gives back, and no others', async () => {
    const [base, post] = [demoPath('base'), demoPath('latin-light')]
    for (const [codec, exact] of Object.entries({ raw: true, bitdelta: false, sparse: false })) {
      const delta = await openDelta(node.store.blocks, await publishAs(codec, base, post))
      assert.deepEqual(delta.root.post?.toString(), exact ? String(await idOf(post)) : undefined)
    }
  })

  it('comes back from bitdelta as signs times the mean magnitude of each matrix', async () => {
    const [base, post] = [demoPath('base'), demoPath('kana-light')]
    const out = await exportOf(await publishAs('bitdelta', base, post))
    await compareValues(out, { base, post }, (delta) => {
      const sum = delta.reduce((sum, value) => sum + Math.abs(value), 0)
      const scale = Math.fround(sum / delta.length)
      return delta.map((value) => scale * Math.sign(value))
    })
  })

  it('comes back from sparse with nothing lost but the rounding of a sum', async () => {
    const [base, post] = [demoPath('base'), demoPath('kana-light')]
    const out = await exportOf(await publishAs('sparse', base, post))
    await compareValues(out, { base, post }, (delta) => delta)
  })

  it('comes back from auto as far off as its publisher was told, tensor by tensor', async () => {
    const [base, post] = [demoPath('base'), demoPath('kana-light')]
    const request = { base, post, name: 'small', edits: [], licence: 'CC0-1.0' }
    const codec = { codec: 'auto', parameters: { error: 0.3 } }
    const published = await publish(node, { ...request, codec }, quiet)
    const out = await exportOf(published.id)
    const [written, before, after] = await Promise.all([out, base, post].map(readFloats))
    const total = { error: 0, norm: 0 }
    for (const { name, relativeError, bpw } of published.perTensor) {
      const [now, from, to] = [written!, before!, after!].map((folder) => folder.get(name)!.values)
      const norm = sumSquares(to!.map((value, i) => value - from![i]!))
      const error = sumSquares(now!.map((value, i) => value - to![i]!))
      // Weights are rounded to f32 once more when they are written.
      assert.ok(Math.abs(Math.sqrt(error / norm) - relativeError) < 1e-4, name)
      assert.ok(relativeError <= 0.3 && bpw > 0, name)
      total.error += error
      total.norm += norm
    }
    assert.equal(published.perTensor.length, published.tensors)
    assert.ok(published.perTensor.some(({ codec: id }) => id === 'integer'))
    const relative = Math.sqrt(total.error / total.norm)
    assert.ok(Math.abs(relative - published.relativeError) < 1e-4)
    assert.ok(published.relativeError > 0.1)
  })

  async function publishAs(codec: string, base: string, post: string): Promise<CID> {
    const request = { base, post, name: 'expert', edits: [], licence: 'CC0-1.0' }
    return (await publish(node, { ...request, codec: { codec, parameters: {} } }, quiet)).id
  }

  async function exportOf(subject: CID): Promise<string> {
    const out = newPath()
    await exportFolder(node, { subject, out }, quiet)
    return out
  }

  function newPath(): string {
    return join(folder.path, `folder ${folders++}`)
  }
})

/** Equal names, dtypes, shapes and bytes. */
function sameTensors(actual: string, expected: string): Promise<void> {
  return withFolder(actual, ({ checkpoint: written }) =>
    withFolder(expected, async ({ checkpoint }) => {
      assert.deepEqual([...written.tensors], [...checkpoint.tensors])
      for (const name of checkpoint.tensors.keys()) {
        const [left, right] = [await bytesIn(written, name), await bytesIn(checkpoint, name)]
        assert.equal(Buffer.compare(left, right), 0, name)
      }
    }),
  )
}

/** Matrices are the base plus `edit` of the delta, rounded to f32; all else is the fine-tune's. */
async function compareValues(
  out: string,
  { base, post }: { readonly base: string; readonly post: string },
  edit: (delta: Float32Array) => Float32Array,
): Promise<void> {
  const [written, before, after] = await Promise.all([out, base, post].map(readFloats))
  assert.deepEqual([...written!.keys()], [...after!.keys()])
  let matrices = 0
  for (const [name, { matrix, values }] of written!) {
    const [from, to] = [before!.get(name)!.values, after!.get(name)!.values]
    const edited = edit(to.map((value, i) => value - from[i]!))
    assert.deepEqual(values, matrix ? from.map((value, i) => value + edited[i]!) : to, name)
    if (matrix) matrices++
  }
  assert.equal(matrices, 24)
}

function sumSquares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value ** 2, 0)
}

function readFloats(path: string) {
  return withFolder(path, async ({ checkpoint }) => {
    const tensors = new Map<string, { matrix: boolean; values: Float32Array }>()
    for (const spec of checkpoint.tensors.values()) {
      const values = new Float32Array((await bytesIn(checkpoint, spec.name)).buffer)
      tensors.set(spec.name, { matrix: inScope('matrices', spec), values })
    }
    return tensors
  })
}
