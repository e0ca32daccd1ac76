import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cidOfValue, encodeCanonical, parseCid } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { DeltaswarmError } from '../../src/errors.ts'
import { loadOperators } from '../../src/operators/index.ts'
import {
  type DraftNode,
  leavesOf,
  type RecipeDraft,
  recipeId,
  recipeOf,
} from '../../src/recipes/canonical-recipe.ts'
import { decodeRecipe, encodeRecipe } from '../../src/recipes/decode-recipe.ts'
import { describeRecipe } from '../../src/recipes/describe-recipe.ts'
import type { OperatorNode, Recipe } from '../../src/recipes/recipe.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
const cid = (name: string) => cidOfValue({ test: name })
const base = cid('base')
const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ delta: cid(name) })) as [
  DraftNode,
  DraftNode,
  DraftNode,
]
const merge = (inputs: DraftNode[], parameters: object = {}): DraftNode => ({
  operator: 'ties',
  parameters: { ...parameters },
  inputs,
})
const edit = (operator: string, parameters: object): DraftNode => ({
  operator,
  parameters: { ...parameters },
  inputs: [a],
})
const idOf = (root: DraftNode, rest: Partial<RecipeDraft> = {}): string =>
  recipeId(recipeOf({ base, root, ...rest }, entries)).toString()
const weighted = (inputs: DraftNode[], weights: number[]): string =>
  idOf(merge(inputs, { weights }))
const fails = (root: DraftNode, id: string): void =>
  assert.throws(
    () => recipeOf({ base, root }, entries),
    (error) => error instanceof DeltaswarmError && error.id === id,
    id,
  )

interface Vector {
  readonly comment: string
  readonly base: string
  readonly mode?: 'paper' | 'official' | 'mergekit'
  readonly dtype?: 'BF16'
  readonly root: unknown
  readonly cid: string
  readonly hex: string
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/recipe.json', import.meta.url), 'utf8'),
) as { recipes: readonly Vector[] }

/** Vectors write links as text. */
function nodeOf(value: unknown): DraftNode {
  const node = value as Record<string, string> & { inputs?: unknown[] }
  if (node.delta !== undefined) return { delta: parseCid(node.delta) }
  if (node.weights !== undefined) return { weights: parseCid(node.weights) }
  return { ...node, inputs: node.inputs!.map(nodeOf) } as unknown as DraftNode
}

describe('recipe', () => {
  for (const { comment, base, root, cid, hex, ...rest } of vectors.recipes) {
    it(`has its bytes and its id: ${comment}`, () => {
      const recipe = recipeOf({ ...rest, base: parseCid(base), root: nodeOf(root) }, entries)
      assert.equal(Buffer.from(encodeRecipe(recipe)).toString('hex'), hex)
      assert.equal(recipeId(recipe).toString(), cid)
      assert.deepEqual(recipeOf(decodeRecipe(Buffer.from(hex, 'hex')), entries), recipe)
    })
  }

  it('has one identity for all spellings of a default', () => {
    const dare = edit.bind(null, 'dare')
    assert.equal(idOf(dare({})), idOf({ ...dare({ k: -0, p: 0.9, seed: 0 }), scope: 'matrices' }))
    assert.notEqual(idOf(dare({})), idOf(dare({ seed: 1 })))
    assert.notEqual(idOf(dare({})), idOf({ ...dare({}), scope: 'all' }))
    assert.equal(idOf(merge([a, b])), idOf(merge([a, b], { weights: [1, 1] }), { mode: 'paper' }))
    assert.notEqual(idOf(a), idOf(a, { dtype: 'BF16' }))
  })

  it('has one identity for every order of the inputs of a symmetric merge', () => {
    const expected = weighted([a, b, c], [1, 2, 3])
    assert.equal(weighted([c, a, b], [3, 1, 2]), expected)
    assert.equal(weighted([b, c, a], [2, 3, 1]), expected)
    assert.notEqual(weighted([a, b, c], [3, 2, 1]), expected)
    assert.equal(weighted([a, a, b], [2, 1, 1]), weighted([a, b, a], [1, 1, 2]))
    assert.equal(idOf(merge([merge([b, a]), c])), idOf(merge([c, merge([a, b])])))
    assert.notEqual(idOf(merge([merge([a, b]), c])), idOf(merge([merge([b, c]), a])))
  })

  it('reads the defaults of its mode', () => {
    const read = (['paper', 'mergekit'] as const).map((mode) => {
      const { root } = recipeOf({ base, mode, root: merge([a, b]) }, entries)
      return (root as OperatorNode).parameters
    })
    assert.deepEqual(
      read.map(({ over, density }) => [over, density]),
      [
        ['all', 0.2],
        ['tensor', 1],
      ],
    )
  })

  it('takes a second input where an edit looks at one, and only there', () => {
    const dare = (select: string, inputs: DraftNode[]): DraftNode => ({
      operator: 'dare',
      parameters: { select },
      inputs,
    })
    assert.notEqual(idOf(dare('mask', [a, b])), idOf(dare('mask', [b, a])))
    fails(dare('mask', [a]), 'E_ARITY')
    fails(dare('random', [a, b]), 'E_ARITY')
    fails(dare('mask', [a, b, c]), 'E_ARITY')
  })

  it('has one recipe for a draw that ignores a share or a seed: it takes none', () => {
    const dare = (parameters: object): DraftNode => edit('dare', { ...parameters })
    const names = (parameters: object): string[] => {
      const { root } = recipeOf({ base, root: dare(parameters) }, entries)
      return Object.keys((root as OperatorNode).parameters).sort()
    }
    assert.deepEqual(names({ select: 'sign' }), ['k', 'select'])
    assert.deepEqual(names({ select: 'magnitude', p: 0.5 }), ['k', 'p', 'select'])
    assert.deepEqual(names({}), ['k', 'p', 'seed', 'select'])
    fails(dare({ select: 'sign', p: 0.5 }), 'E_UNKNOWN_PARAMETER')
    fails(dare({ select: 'magnitude', seed: 3 }), 'E_UNKNOWN_PARAMETER')
    fails(dare({ select: 'other', p: 0.5 }), 'E_PARAMETER_RANGE')
  })

  it('refuses values that do not go together', () => {
    fails(edit('darex', { p: 0.5, q: 0.4 }), 'E_PARAMETER_RANGE')
    fails(edit('della', { density: 0.1, epsilon: 0.2 }), 'E_PARAMETER_RANGE')
  })

  it('has one identity for all spellings of a scope', () => {
    const scoped = (scope: string): DraftNode => ({ ...edit('drop', {}), scope }) as DraftNode
    assert.equal(idOf(scoped('b*|a|!c')), idOf(scoped('!c|a|b**|a')))
    assert.equal(idOf(scoped('*')), idOf(scoped('all')))
    fails(scoped('!c'), 'E_SCOPE')
  })

  it('takes the parameters of a codec that it goes through', () => {
    const through = edit.bind(null, 'through')
    assert.equal(idOf(through({})), idOf(through({ codec: 'bitdelta', factor: 1, zeros: 'keep' })))
    assert.notEqual(idOf(through({})), idOf(through({ factor: 2 })))
    fails(through({ codec: 'raw' }), 'E_EXACT_CODEC')
    fails(through({ codec: 'rar' }), 'E_UNKNOWN_CODEC')
    fails(through({ bits: 2 }), 'E_UNKNOWN_PARAMETER')
  })

  it('refuses what is unknown, out of range, or of the wrong number', () => {
    fails({ operator: 'tie', inputs: [a] }, 'E_UNKNOWN_OPERATOR')
    fails(merge([a], { densty: 1 }), 'E_UNKNOWN_PARAMETER')
    fails(merge([a], { density: 2 }), 'E_PARAMETER_RANGE')
    fails(merge([a], { density: NaN }), 'E_PARAMETER_RANGE')
    fails(merge([a, b], { weights: [1] }), 'E_PARAMETER_RANGE')
    fails(merge([]), 'E_ARITY')
    fails({ operator: 'dare', inputs: [a, b] }, 'E_ARITY')
    fails({ operator: 'ties', scope: 'all', inputs: [a] }, 'E_MERGE_SCOPE')
    fails(merge(Array.from({ length: 65 }, () => a)), 'E_RECIPE_SIZE')
    const chain = (length: number): DraftNode =>
      length === 1 ? a : { operator: 'scale', inputs: [chain(length - 1)] }
    fails(chain(17), 'E_RECIPE_SIZE')
    assert.ok(decodeRecipe(encodeRecipe(recipeOf({ base, root: chain(16) }, entries))))
    const wide = Array.from({ length: 5 }, () => merge(Array.from({ length: 64 }, () => chain(2))))
    fails(merge(wide), 'E_RECIPE_SIZE')
  })

  it('lists its leaves once', () => {
    const root = merge([a, b, { operator: 'dare', inputs: [a] }, { weights: cid('w') }])
    const { deltas, weights } = leavesOf(recipeOf({ base, root }, entries))
    assert.deepEqual(deltas.map(String).sort(), [cid('a'), cid('b')].map(String).sort())
    assert.deepEqual(weights.map(String), [cid('w').toString()])
  })

  it('reads as one line', () => {
    const names = new Map(['a', 'b', 'base'].map((name) => [cid(name).toString(), name]))
    const line = (root: DraftNode, mode?: 'mergekit'): string =>
      describeRecipe(recipeOf({ base, root, ...(mode && { mode }) }, entries), {
        ...entries,
        name: (leaf) => names.get(leaf.toString()) ?? leaf.toString(),
      })
    assert.equal(line({ weights: base }), 'base')
    const dare: DraftNode = { operator: 'dare', parameters: { p: 0.5, k: -1 }, inputs: [a] }
    assert.equal(line(dare), 'dare(a, p=0.5, k=-1)')
    assert.equal(line({ ...dare, scope: 'all' }), 'dare(a, p=0.5, k=-1, scope=all)')
    const marked = { ...dare, parameters: { select: 'mask', k: -1 }, inputs: [a, b] }
    assert.equal(line(marked), 'dare(a, b; select=mask, k=-1)')
    assert.match(
      line(merge([dare, b])),
      /^ties\((dare\(a, p=0.5, k=-1\), b|b, dare\(.*\)); density=0.2\)$/,
    )
    assert.equal(line({ operator: 'ties', inputs: [a] }, 'mergekit'), 'ties(a, density=1)')
    assert.match(line(merge([a, b], { weights: [1, 2] })), /weights=\[(1, 2|2, 1)\]/)
    assert.equal(
      line({ operator: 'through', parameters: { factor: 2 }, inputs: [a] }),
      'through(a, codec=bitdelta, factor=2)',
    )
  })
})

describe('decodeRecipe', () => {
  const good = recipeOf({ base, root: merge([a, { operator: 'dare', inputs: [b] }]) }, entries)
  const refuses = (change: (recipe: Record<string, unknown>) => unknown): void => {
    const copy = { ...good, root: { ...(good.root as object) } } as Record<string, unknown>
    const bytes = encodeCanonical(change(copy))
    assert.throws(
      () => decodeRecipe(bytes),
      (error) =>
        error instanceof DeltaswarmError && /^E_(BAD_RECIPE|NOT_CANONICAL)$/.test(error.id),
    )
  }

  it('gives back what was encoded', () => {
    assert.deepEqual(decodeRecipe(encodeRecipe(good)), good)
  })

  it('keeps operators that are not known here', () => {
    const recipe = { ...good, root: { ...good.root, operator: 'later' } } as Recipe
    assert.deepEqual(decodeRecipe(encodeRecipe(recipe)), recipe)
  })

  it('refuses another version, unknown keys, missing keys and wrong types', () => {
    refuses((r) => ({ ...r, version: 2 }))
    refuses((r) => ({ ...r, algorithm: 2 }))
    refuses((r) => ({ ...r, extra: 1 }))
    refuses(({ version, root }) => ({ version, root }))
    refuses((r) => ({ ...r, mode: 'other' }))
    refuses((r) => ({ ...r, dtype: 'I32' }))
    refuses((r) => ({ ...r, base: 'text' }))
    refuses((r) => ({ ...r, root: [] }))
    refuses((r) => ({ ...r, root: { delta: cid('a'), weights: cid('b') } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), inputs: [] } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), inputs: [1] } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), parameters: { a: true } } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), parameters: { a: ['x'] } } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), scope: 'b|a' } }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), scope: '!a' } }))
    refuses(() => 1)
    refuses(() => null)
  })

  it('refuses text that could forge a line of a terminal', () => {
    for (const odd of ['\x1b[2J', 'a\nb', '\u202eb', '']) {
      refuses((r) => ({ ...r, root: { ...(r.root as object), operator: odd } }))
      refuses((r) => ({ ...r, root: { ...(r.root as object), parameters: { [odd]: 1 } } }))
      refuses((r) => ({ ...r, root: { ...(r.root as object), parameters: { a: odd } } }))
    }
  })

  it('refuses what is too deep, too long, cut off, or not canonical', () => {
    let deep: unknown = { delta: cid('a') }
    for (let i = 0; i < 16; i++) deep = { operator: 'scale', parameters: {}, inputs: [deep] }
    refuses((r) => ({ ...r, root: deep }))
    refuses((r) => ({ ...r, root: { ...(r.root as object), operator: 'x'.repeat(20_000) } }))
    const bytes = encodeRecipe(good)
    for (const cut of [0, 1, 20, bytes.length - 1]) {
      assert.throws(() => decodeRecipe(bytes.subarray(0, cut)), { id: 'E_NOT_CANONICAL' })
    }
    assert.throws(() => decodeRecipe(Buffer.concat([bytes, Buffer.of(0)])), {
      id: 'E_NOT_CANONICAL',
    })
  })

  it('throws its own errors alone, whatever byte is changed', () => {
    const bytes = encodeRecipe(good)
    for (let i = 0; i < bytes.length; i++) {
      for (const flip of [1, 0x20, 0x80]) {
        const changed = bytes.slice()
        changed[i]! ^= flip
        try {
          decodeRecipe(changed)
        } catch (error) {
          assert.ok(error instanceof DeltaswarmError, String(error))
        }
      }
    }
  })
})
