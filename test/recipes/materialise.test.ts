import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cidOfValue, type CID } from '../../src/canonical.ts'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import type { DeltaSource } from '../../src/codecs/manifest/manifest.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { type DraftNode, type RecipeDraft, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant, type Variant } from '../../src/recipes/materialise.ts'
import { planRecipe, type Sources } from '../../src/recipes/plan/plan.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { bytesOf, elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'
import { type Demo, experts, openDemo } from '../support/variants.ts'
import { memoryDelta } from './memory-delta.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }

/** Models in memory whose one matrix has several chunks of one block. */
const kernels = openKernels()
const base = createModel('base')
const posts = ['a', 'b', 'c'].map((name) => createModel(name))
const weights = new Map<string, Checkpoint>()
const deltas = new Map<string, DeltaSource>()
const sources: Sources = {
  delta: async (id) => deltas.get(id.toString())!,
  weights: async (id) => weights.get(id.toString())!,
}

function publish(name: string, checkpoint: Checkpoint): CID {
  const id = cidOfValue({ test: name })
  weights.set(id.toString(), checkpoint)
  return id
}

async function publishDelta(of: Checkpoint, post: Checkpoint, codec: string): Promise<DraftNode> {
  const from = of === base ? baseId : halfId
  const { id, source } = await memoryDelta(of, post, { base: from, codec }, { ...entries, kernels })
  deltas.set(id.toString(), source)
  return { delta: id }
}

const baseId = publish('base', base)
const leaves = posts.map((post, i) => ({ weights: publish(`post ${i}`, post) }))
const half = castCheckpoint(base, 'BF16', kernels)
const halfPost = castCheckpoint(posts[0]!, 'BF16', kernels)
const halfId = publish('half', half)

function createModel(name: string): Checkpoint {
  const random = createRandom('model', name)
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => (random.word() / 2 ** 32 - 0.5) / 8)
  const entries = {
    'layers.0.weight': ['F32', [2 * BLOCK_ELEMENTS + 10, 1], values(2 * BLOCK_ELEMENTS + 10)],
    'layers.1.weight': ['F32', [40, 5], values(200)],
    // Rows of which no chunk holds a whole number, and rows longer than a chunk of one block.
    'layers.2.weight': ['F32', [130, 1021], values(130 * 1021)],
    'layers.3.weight': ['F32', [3, BLOCK_ELEMENTS + 5], values(3 * (BLOCK_ELEMENTS + 5))],
    'layers.4.weight': ['F32', [2, 3, 2, 2], values(24)],
    'norm.weight': ['F32', [7], values(7)],
    steps: ['I64', [1], BigInt64Array.of(5n)],
    unused: ['F32', [0, 3], new Float32Array(0)],
  } as const

  return memoryCheckpoint(entries)
}

async function open(
  root: DraftNode,
  rest: Partial<RecipeDraft> = {},
  chunkElements = BLOCK_ELEMENTS,
): Promise<Variant> {
  const recipe = recipeOf({ base: baseId, root, ...rest }, entries)
  const own = openKernels()
  return openVariant(await planRecipe(recipe, sources, { ...entries, kernels: own, chunkElements }))
}

async function bytesFrom(variant: Variant, name: string): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const { from, count, bytes } of variant.chunks(name)) {
    assert.equal(from * (bytes.length / count), Buffer.concat(parts).length)
    parts.push(Buffer.from(bytes))
  }
  assert.equal(variant.plan.context.kernels.allocated, 0)
  return Buffer.concat(parts)
}

async function bytesIn(checkpoint: Checkpoint, name: string): Promise<Buffer> {
  const bytes = Buffer.alloc(bytesOf(checkpoint.tensors.get(name)!))
  await checkpoint.read(name, 0, bytes)
  return bytes
}

async function hashOf(variant: Variant): Promise<string> {
  const hash = createHash('sha256')
  for (const name of variant.tensors.keys()) hash.update(await bytesFrom(variant, name))
  return hash.digest('hex')
}

async function sameAs(variant: Variant, checkpoint: Checkpoint): Promise<void> {
  for (const name of variant.tensors.keys()) {
    assert.ok((await bytesFrom(variant, name)).equals(await bytesIn(checkpoint, name)), name)
  }
}

const dare = (input: DraftNode, seed = 0): DraftNode => ({
  operator: 'dare',
  parameters: { p: 0.5, seed },
  inputs: [input],
})

/** Trees that have between them every kind of step. */
const trees: Readonly<Record<string, DraftNode>> = {
  edit: dare(leaves[0]!),
  trim: { operator: 'trim', parameters: { over: 'all' }, inputs: [leaves[0]!] },
  'trim of trim': {
    operator: 'trim',
    inputs: [{ operator: 'trim', parameters: { density: 0.5 }, inputs: [leaves[0]!] }],
  },
  ties: { operator: 'ties', inputs: leaves },
  'ties of dare': { operator: 'ties', parameters: { density: 1 }, inputs: leaves.map(dare) },
  'merge of codec and base': {
    operator: 'task-arithmetic',
    parameters: { lambda: 0.5 },
    inputs: [{ operator: 'through', inputs: [dare(leaves[1]!)] }, { weights: baseId }],
  },
  rows: {
    operator: 'trim',
    parameters: { over: 'row', density: 0.5 },
    scope: 'all',
    inputs: [{ operator: 'della', inputs: [leaves[1]!] }],
  },
  'ties of rows, of tensors and of chunks': {
    operator: 'ties',
    inputs: [
      { operator: 'breadcrumbs', inputs: [leaves[0]!] },
      { operator: 'della', parameters: { over: 'tensor' }, inputs: [leaves[1]!] },
      { operator: 'della', parameters: { epsilon: 0.1 }, scope: 'all', inputs: [leaves[2]!] },
      leaves[2]!,
    ],
  },
  'what a recipe marks': {
    operator: 'dare',
    parameters: { select: 'mask', k: -1 },
    scope: 'all',
    inputs: [leaves[0]!, { operator: 'trim', parameters: { over: 'row' }, inputs: [leaves[1]!] }],
  },
  'trim over a codec': {
    operator: 'trim',
    parameters: { over: 'all', density: 0.5 },
    inputs: [{ operator: 'through', inputs: [leaves[2]!] }],
  },
}

describe('openVariant', () => {
  it('gives the base for the base, and a checkpoint for itself, byte for byte', async () => {
    await sameAs(await open({ weights: baseId }), base)
    await sameAs(await open(leaves[0]!), posts[0]!)
  })

  it('gives back the post-trained bytes of a raw delta, in f32 and in bf16', async () => {
    await sameAs(await open(await publishDelta(base, posts[0]!, 'raw')), posts[0]!)
    const root = await publishDelta(half, halfPost, 'raw')
    await sameAs(await open(root, { base: halfId }), halfPost)
  })

  it('treats a raw delta and the checkpoint that it stands for alike', async () => {
    const raw = await publishDelta(base, posts[0]!, 'raw')
    const root = (leaf: DraftNode): DraftNode => ({
      operator: 'ties',
      inputs: [dare(leaf), leaves[1]!],
    })
    assert.equal(await hashOf(await open(root(raw))), await hashOf(await open(root(leaves[0]!))))
  })

  it('adds what a lossy delta decodes to', async () => {
    const sparse = await open(await publishDelta(base, posts[0]!, 'sparse'))
    const bytes = await bytesFrom(sparse, 'layers.1.weight')
    const [w0, w1] = await Promise.all(
      [base, posts[0]!].map(async (model) => floats(await bytesIn(model, 'layers.1.weight'))),
    )
    const expected = w0!.map((value, i) => value + Math.fround(w1![i]! - value))
    assert.deepEqual(floats(bytes), expected)
    const signs = floats(
      await bytesFrom(
        await open(await publishDelta(base, posts[0]!, 'bitdelta')),
        'layers.1.weight',
      ),
    )
    const deltas = w0!.map((value, i) => w1![i]! - value)
    const alpha = Math.fround(
      deltas.reduce((sum, value) => sum + Math.abs(value), 0) / deltas.length,
    )
    signs.forEach((value, i) =>
      assert.equal(value, Math.fround(w0![i]! + Math.sign(deltas[i]!) * alpha)),
    )
  })

  it('leaves tensors outside an edit’s scope as its input has them', async () => {
    const variant = await open(dare(leaves[0]!))
    for (const name of ['norm.weight', 'steps']) {
      assert.ok((await bytesFrom(variant, name)).equals(await bytesIn(posts[0]!, name)))
    }
    const merged = await open({ operator: 'task-arithmetic', inputs: [dare(leaves[0]!)] })
    const expected = floats(await bytesIn(posts[0]!, 'norm.weight'))
    floats(await bytesFrom(merged, 'norm.weight')).forEach((value, i) =>
      assert.ok(Math.abs(value - expected[i]!) < 1e-7),
    )
  })

  it('reaches the tensors that a scope names, integers and what has no elements never', async () => {
    const scale = { operator: 'scale', parameters: { alpha: -1 }, inputs: [leaves[0]!] }
    const variant = await open({ ...scale, scope: '*.1.*|norm*|steps|unused' })
    for (const name of variant.tensors.keys()) {
      const isReached = name === 'layers.1.weight' || name === 'norm.weight'
      const expected = await bytesIn(isReached ? base : posts[0]!, name)
      if (name === 'steps' || name === 'unused')
        assert.ok(expected.equals(await bytesIn(base, name)))
      assert.ok((await bytesFrom(variant, name)).equals(expected), name)
    }
  })

  it('takes a second input that is zero for a mask that marks nothing', async () => {
    const parameters = { select: 'mask', k: 0 }
    const inputs = [leaves[0]!, { weights: baseId }]
    const same = await open({ operator: 'dare', parameters, scope: 'all', inputs })
    const scaled = { operator: 'scale', parameters: { alpha: 0 }, inputs: [leaves[0]!] }
    assert.equal(await hashOf(same), await hashOf(await open(scaled)))
    const nothing = { operator: 'dare', parameters, scope: 'all', inputs: inputs.toReversed() }
    await sameAs(await open(nothing), base)
  })

  it('gives each row what it would get alone, whatever else is in the tensor', async () => {
    const root = {
      operator: 'trim',
      parameters: { over: 'row', density: 0.4 },
      inputs: [leaves[0]!],
    }
    const variant = await open(root)
    const name = 'layers.2.weight'
    const [w0, w1] = [floats(await bytesIn(base, name)), floats(await bytesIn(posts[0]!, name))]
    const out = floats(await bytesFrom(variant, name))
    for (let from = 0; from < out.length; from += 1021) {
      const row = Array.from({ length: 1021 }, (_, i) => Math.fround(w1[from + i]! - w0[from + i]!))
      const order = [...row.keys()].sort((a, b) => Math.abs(row[b]!) - Math.abs(row[a]!) || a - b)
      const kept = new Set(order.slice(0, 408))
      row.forEach((value, i) => {
        const expected = kept.has(i) ? Math.fround(w0[from + i]! + value) : w0[from + i]!
        assert.equal(out[from + i], expected)
      })
    }
  })

  for (const [name, root] of Object.entries(trees)) {
    it(`gives the same bytes for every chunk size and stays below the plan’s memory: ${name}`, async () => {
      const hashes = new Set<string>()
      for (const blocks of [1, 2, 16]) {
        const variant = await open(root, {}, blocks * BLOCK_ELEMENTS)
        hashes.add(await hashOf(variant))
        const { peak } = variant.plan.context.kernels
        assert.ok(peak > 0 && peak <= variant.plan.memory, `${peak} of ${variant.plan.memory}`)
      }
      assert.equal(hashes.size, 1)
    })
  }

  it('loads f32 of the rounded weights that it writes', async () => {
    const variant = await open(trees.ties!, { dtype: 'BF16' })
    const own = variant.plan.context.kernels
    const out = own.allocate(4 * 200)
    await variant.load('layers.1.weight', out)
    const loaded = [...out.f32.subarray(0, 200)]
    own.release(out)
    const bytes = await bytesFrom(variant, 'layers.1.weight')
    assert.deepEqual(loaded, [...bfloats(bytes)])
    const exact = floats(await bytesFrom(await open(trees.ties!), 'layers.1.weight'))
    loaded.forEach((value, i) =>
      assert.ok(Math.abs(value - exact[i]!) <= Math.abs(exact[i]!) / 256),
    )
    assert.ok(loaded.some((value, i) => value !== exact[i]))
  })

  it('refuses unknown tensors and integers', async () => {
    const variant = await open(leaves[0]!)
    const out = variant.plan.context.kernels.allocate(64)
    await assert.rejects(variant.load('none', out), { id: 'E_TENSOR_MISSING' })
    await assert.rejects(variant.load('steps', out), { id: 'E_NOT_WEIGHTS' })
  })

  it('gives memory back when it is left early, stopped, or fails', async () => {
    const variant = await open(trees['ties of dare']!)
    const own = variant.plan.context.kernels
    for await (const chunk of variant.chunks('layers.0.weight')) {
      assert.ok(own.allocated > 0)
      assert.equal(chunk.from, 0)
      break
    }
    assert.equal(own.allocated, 0)
    const controller = new AbortController()
    await assert.rejects(async () => {
      for await (const _ of variant.chunks('layers.0.weight', { signal: controller.signal })) {
        controller.abort(new Error('stop'))
      }
    }, /stop/)
    assert.equal(own.allocated, 0)
    const root = { operator: 'ties', inputs: [{ weights: publish('torn', torn()) }] }
    const recipe = recipeOf({ base: baseId, root }, entries)
    const plan = await planRecipe(recipe, sources, { ...entries, kernels: own })
    await assert.rejects(openVariant(plan), /torn/)
    assert.equal(own.allocated, 0)
  })

  it('reports a read that fails when its chunk is asked for, and not before', async () => {
    const leaf = { weights: publish('cut', cut()) }
    const variant = await open(dare(leaf))
    for await (const { from } of variant.chunks('layers.0.weight')) {
      await new Promise(setImmediate) // the next chunk has failed by now
      if (from === 0) break
    }
    assert.equal(variant.plan.context.kernels.allocated, 0)
    const bytes = bytesFrom(variant, 'layers.0.weight')
    await assert.rejects(bytes, /cut/)
    assert.equal(variant.plan.context.kernels.allocated, 0)
  })

  it('lets a head follow the embedding where no leaf has one of its own', async () => {
    const tiedBase = tiedModel(1)
    const id = publish('tied base', tiedBase)
    const source = await memoryDelta(tiedBase, tiedModel(2), { base: id }, { ...entries, kernels })
    deltas.set(source.id.toString(), source.source)
    assert.ok(!source.source.tensors.has('lm_head.weight'))
    const scaled: DraftNode = {
      operator: 'scale',
      parameters: { alpha: 1 },
      inputs: [{ delta: source.id }],
    }
    const variant = await open(scaled, { base: id })
    for (const name of variant.tensors.keys()) {
      assert.deepEqual([...floats(await bytesFrom(variant, name))], [3, 3, 3, 3])
    }
    const marks = { weights: publish('marks', tiedModel(7, 8)) }
    const masked = { operator: 'dare', parameters: { select: 'mask', k: 3 }, scope: 'all' }
    const by = await open({ ...masked, inputs: [{ delta: source.id }, marks] }, { base: id })
    // The marks have a head of their own, but they are only looked at.
    assert.deepEqual([...floats(await bytesFrom(by, 'lm_head.weight'))], [4, 4, 4, 4])
    const untied = await open({ weights: publish('untied', tiedModel(2, 5)) }, { base: id })
    assert.deepEqual([...floats(await bytesFrom(untied, 'lm_head.weight'))], [5, 5, 5, 5])
  })
})

describe('demo variants', () => {
  let demo: Demo
  before(async () => {
    demo = await openDemo()
  })
  after(() => demo[Symbol.asyncDispose]())

  it('are the experts as they are', async () => {
    const variant = await demo.expert('kana')
    const checkpoint = demo.checkpoint('kana')
    for (const name of variant.tensors.keys()) {
      const parts: Uint8Array[] = []
      for await (const { bytes } of variant.chunks(name)) parts.push(bytes.slice())
      assert.ok(Buffer.concat(parts).equals(await bytesIn(checkpoint, name)), name)
    }
  })

  it('merge as a naive version in f64 does', async () => {
    const variant = await demo.merge('task-arithmetic', { lambda: 0.3 })
    for (const spec of variant.tensors.values()) {
      const w0 = floats(await bytesIn(demo.checkpoint('base'), spec.name))
      const all = await Promise.all(
        experts.map(async (name) => floats(await bytesIn(demo.checkpoint(name), spec.name))),
      )
      const out = await load(variant, spec)
      out.forEach((value, i) => {
        const sum = all.reduce((total, post) => total + (post[i]! - w0[i]!), 0)
        assert.ok(Math.abs(value - (w0[i]! + 0.3 * sum)) <= 1e-6 * Math.max(1, Math.abs(value)))
      })
    }
  })

  it('trim over all matrices keeps the share of the whole', async () => {
    const variant = await demo.edit('trim', { over: 'all', density: 0.2 })
    let [kept, total, nonzero] = [0, 0, 0]
    const shares = new Set<number>()
    for (const spec of variant.tensors.values()) {
      if (!/\.\d+\./.test(spec.name) || spec.shape.length !== 2) continue
      const w0 = floats(await bytesIn(demo.checkpoint('base'), spec.name))
      const w1 = floats(await bytesIn(demo.checkpoint('kana'), spec.name))
      const changed = (await load(variant, spec)).filter((value, i) => value !== w0[i]!).length
      kept += changed
      total += w0.length
      nonzero += w1.filter((value, i) => value !== w0[i]).length
      shares.add(changed / w0.length)
    }
    // A kept difference of a few bits can vanish when it is added to the base.
    assert.ok(nonzero > 0.9 * total)
    assert.ok(kept <= Math.floor(0.2 * total) && kept > Math.floor(0.2 * total) * 0.999)
    assert.ok(shares.size > 10)
  })

  async function load(variant: Variant, spec: TensorSpec): Promise<Float32Array> {
    const elements = elementsOf(spec.shape)
    const out = demo.kernels.allocate(elements * 4)
    try {
      await variant.load(spec.name, out)
      return out.f32.slice(0, elements)
    } finally {
      demo.kernels.release(out)
    }
  }
})

function floats(bytes: Buffer): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

function bfloats(bytes: Buffer): Float32Array {
  const words = new Uint16Array(Uint8Array.from(bytes).buffer)
  return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer)
}

/** A checkpoint whose second tensor cannot be read. */
function torn(): Checkpoint {
  return {
    tensors: posts[0]!.tensors,
    read: (name, offset, into) =>
      name === 'layers.1.weight'
        ? Promise.reject(new Error('torn'))
        : posts[0]!.read(name, offset, into),
  }
}

/** An embedding and a head that copies it, unless it has a value of its own. */
function tiedModel(value: number, head = value): Checkpoint {
  return memoryCheckpoint({
    'lm_head.weight': ['F32', [2, 2], new Float32Array(4).fill(head)],
    'model.embed_tokens.weight': ['F32', [2, 2], new Float32Array(4).fill(value)],
  })
}

/** A checkpoint of which only the first chunk of a tensor can be read. */
function cut(): Checkpoint {
  return {
    tensors: posts[0]!.tensors,
    read: (name, offset, into) =>
      offset > 0 ? Promise.reject(new Error('cut')) : posts[0]!.read(name, offset, into),
  }
}
