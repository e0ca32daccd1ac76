import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { DeltaswarmError } from '../../src/errors.ts'
import { forward } from '../../src/graphs/program.ts'
import { type Architecture, checkWeights, HIDDEN, type Model } from '../../src/models/index.ts'
import { elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'

export type Config = Readonly<Record<string, unknown>>

export interface ArchitectureUse {
  /** A small configuration that is supported. */
  readonly config: Config
  readonly layers: number
  /** What to change in it to ask for other arithmetic or no model at all; the key that is named. */
  readonly refused: readonly (readonly [change: Config, key: string])[]
}

/** What every architecture promises, whatever it computes. */
export function architectureContract(architecture: Architecture, use: ArchitectureUse): void {
  const { config, layers, refused } = use
  const model = architecture.read(config)
  const asked = new Set(
    [config, ...refused.map(([change]) => ({ ...config, ...change }))].flatMap((each) =>
      keysAskedFor(architecture, each),
    ),
  )

  it('says what it is', () => {
    assert.match(architecture.about, /^[a-z].{10,}[^.]$/)
    assert.match(architecture.reference, /arXiv \d{4}\.\d{5}/)
    assert.ok(architecture.classes.length > 0)
    assert.equal(model.architecture, architecture.id)
  })

  it('cuts a model into an embedding, its layers and a head that fit each other', () => {
    const [items, tokens] = [2, model.modality === 'image' ? model.tokens : 5]
    const parts = model.parts(items, tokens).map(({ program }) => program)
    assert.equal(parts.length, layers + 2)
    const [embedding, head] = [parts[0]!, parts.at(-1)!]
    const hidden = { name: HIDDEN, type: 'float32', shape: embedding.output.shape }
    assert.deepEqual(hidden.shape.slice(0, 2), [items, tokens])
    for (const layer of parts.slice(1, -1)) {
      assert.deepEqual(layer.inputs, [hidden])
      assert.deepEqual(layer.output.shape, hidden.shape)
    }
    assert.deepEqual(head.inputs[0], hidden)
    if (model.modality === 'language') {
      const [ids, targets] = ['ids', 'targets'].map((name) => {
        return { name, type: 'int32', shape: [items, tokens] }
      })
      assert.deepEqual([embedding.inputs, head.inputs.slice(1)], [[ids], [targets]])
      assert.deepEqual(head.output.shape, [items, tokens])
    } else {
      const pixels = { name: 'pixels', type: 'float32', shape: [items, ...model.image] }
      assert.deepEqual([embedding.inputs, head.inputs.slice(1)], [[pixels], []])
      assert.deepEqual(head.output.shape, [items, model.labels])
    }
  })

  it('shares one program among equal layers, each with tensors of its own', () => {
    const parts = model.parts(2, 5).slice(1, -1)
    assert.equal(new Set(parts.map(({ program }) => program)).size, 1)
    const bound = parts.flatMap(({ weights }) => [...weights.values()])
    assert.equal(new Set(bound).size, layers * parts[0]!.program.weights.length)
  })

  it('makes the same graphs again, and others for other sizes', () => {
    const graphs = (from: Model, items: number): string[] =>
      from.parts(items, 5).map(({ program }) => Buffer.from(forward(program)).toString('base64'))
    assert.deepEqual(graphs(architecture.read(config), 2), graphs(model, 2))
    graphs(model, 3).forEach((graph, i) => assert.notEqual(graph, graphs(model, 2)[i]))
  })

  describe('weights', () => {
    const tensors = tensorsOf(model)

    function misfit(change: (tensors: Map<string, TensorSpec>) => void, details: Config): void {
      const changed = new Map(tensors)
      change(changed)
      assert.throws(() => checkWeights(model, changed), {
        id: 'E_WEIGHTS_MISFIT',
        details: { missing: [], extra: [], wrong: [], ...details },
      })
    }

    it('are those of the parts, whatever the batch', () => {
      checkWeights(model, tensors)
      assert.deepEqual(tensorsOf(model, 3, 7), tensors)
    })

    it('are refused when any one is missing, of another shape, or not in floats', () => {
      for (const [name, spec] of tensors) {
        misfit((changed) => changed.delete(name), { missing: [name] })
        const longer = { ...spec, shape: [...spec.shape, 1] }
        misfit((changed) => changed.set(name, longer), { wrong: [name] })
        misfit((changed) => changed.set(name, { ...spec, dtype: 'I32' }), { wrong: [name] })
      }
    })

    it('are refused with a list of all that is missing, extra or wrong', () => {
      const [lost, first, second] = [...tensors.keys()]
      const extra = { name: 'adapter.weight', dtype: 'F32', shape: [1] } as const
      misfit(
        (changed) => {
          changed.delete(lost!)
          changed.set(extra.name, extra)
          for (const name of [first!, second!]) changed.set(name, { ...extra, name, shape: [1, 9] })
        },
        { missing: [lost], extra: [extra.name], wrong: [first, second] },
      )
    })
  })

  for (const [change, key] of refused) {
    it(`refuses ${inspect(change)} by the name of the key`, () => {
      assert.throws(
        () => architecture.read({ ...config, ...change }),
        (error) =>
          error instanceof DeltaswarmError &&
          error.id === 'E_UNSUPPORTED_CONFIG' &&
          error.message.startsWith(`expected \`${key}\` in config.json to be `),
      )
    })
  }

  it('refuses some value of every key that it reads', () => {
    const changed = new Set(refused.flatMap(([change]) => pathsOf(change)))
    assert.deepEqual(
      [...asked].filter((path) => !changed.has(path)),
      [],
    )
  })

  it('takes each hostile value as a small model or refuses it', () => {
    for (const path of asked) {
      for (const value of hostileValues) assertHarmless(architecture, changeAt(config, path, value))
    }
  })

  it('takes hostile values together as a small model or refuses them', () => {
    const value = fc.oneof(
      fc.constantFrom(...hostileValues),
      fc.jsonValue(),
      fc.integer({ min: 1 }),
    )
    const changes = fc.array(fc.tuple(fc.constantFrom(...asked), value), { maxLength: 4 })
    const hostile = changes.map((all) =>
      all.reduce((changed, [path, value]) => changeAt(changed, path, value), config),
    )
    fc.assert(
      fc.property(hostile, (config) => assertHarmless(architecture, config)),
      { seed: 1, numRuns: 300 },
    )
  })
}

/** Complete weights of a model. */
export function tensorsOf(model: Model, items = 1, tokens = 1): Map<string, TensorSpec> {
  return new Map(
    model.parts(items, tokens).flatMap(({ program, weights }) =>
      program.weights.map(({ name, shape }): [string, TensorSpec] => {
        const tensor = weights.get(name)!
        return [tensor, { name: tensor, dtype: 'BF16', shape }]
      }),
    ),
  )
}

/** Bounds, their neighbours and what is no size at all. */
const numbers = [-1, 0, -0, 0.5, 1, 2, 7, 1024, 65_536, 2 ** 20, 2 ** 31, 2 ** 53, 1e308, 5e-324]
const words = [NaN, Infinity, undefined, null, true, false, '', '8', 'x'.repeat(100_000)]
const nested = [[], [8], [[[]]], {}, { 0: 'a' }, new Map([['rope_type', 8]])]
const hostileValues: readonly unknown[] = [...numbers, ...words, ...nested]

/** 1024 layers with an embedding and a head, and more than any graph takes for one token. */
const MAX_PARTS = 1026
const MAX_GRAPH_BYTES = 65_536

function assertHarmless(architecture: Architecture, config: Config): void {
  let model: Model
  try {
    model = architecture.read(config)
  } catch (error) {
    assert.ok(error instanceof DeltaswarmError, String(error))
    assert.ok(['E_UNSUPPORTED_CONFIG', 'E_BAD_CONFIG'].includes(error.id), error.id)
    return
  }
  const parts = model.parts(1, 1)
  assert.ok(parts.length <= MAX_PARTS)
  for (const program of new Set(parts.map((part) => part.program))) {
    assert.ok(forward(program).length <= MAX_GRAPH_BYTES)
    for (const { name, shape } of program.weights) {
      const elements = elementsOf(shape)
      assert.ok(Number.isSafeInteger(elements) && elements > 0, `${name} has ${elements} elements`)
    }
  }
}

/** The paths of the keys that an architecture looks at before it is done or refuses. */
function keysAskedFor(architecture: Architecture, config: Config): string[] {
  const asked: string[] = []
  try {
    architecture.read(recording(config, '', asked))
  } catch (error) {
    assert.ok(error instanceof DeltaswarmError, String(error))
  }
  return asked
}

function recording(values: Config, prefix: string, asked: string[]): ReadonlyMap<string, unknown> {
  const entries = Object.entries(values).map(([key, value]): [string, unknown] => {
    return [key, isConfig(value) ? recording(value, `${prefix}${key}.`, asked) : value]
  })
  const map = new Map(entries)
  const get = (key: string): unknown => {
    asked.push(prefix + key)
    return Map.prototype.get.call(map, key)
  }
  return Object.assign(map, { get })
}

/** Paths of the keys of nested objects, those of the objects themselves included. */
function pathsOf(values: Config): string[] {
  return Object.entries(values).flatMap(([key, value]) => [
    key,
    ...(isConfig(value) ? pathsOf(value).map((path) => `${key}.${path}`) : []),
  ])
}

function changeAt(config: Config, path: string, value: unknown): Config {
  const [key, inner] = path.split('.') as [string, string?]
  return { ...config, [key]: inner === undefined ? value : { [inner]: value } }
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
