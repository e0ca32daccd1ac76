import assert from 'node:assert/strict'
import type { Mode } from '../../src/operators/index.ts'
import type { DraftNode } from '../../src/recipes/canonical-recipe.ts'
import type { WeightsLeaf } from '../../src/recipes/recipe.ts'
import { demoPath } from '../support/shared.ts'
import { experts } from '../support/variants.ts'
import {
  assertFigures,
  type Figures,
  type MeasuredModels,
  openModels,
  readReference,
} from './reference-figures.ts'

/** Merges of all four experts (`4: …`) or of the first three (`3: …`), by name. */
interface Reference {
  readonly merges: Readonly<Record<string, { readonly tasks: Readonly<Record<string, Figures>> }>>
}

type Merge = (leaves: readonly WeightsLeaf[]) => DraftNode

const { merges: reference } = readReference('vit-merges-all-light') as Reference

/** The merges that the reference calls by these names. */
const merges = new Map<string, Merge>([
  ['simple average', (leaves) => taskArithmetic(leaves, 1 / leaves.length)],
  ...[0.3, 0.5, 0.7, 1, 1.5, 2].map((lambda): [string, Merge] => [
    `task arithmetic ${lambda.toFixed(1)}`,
    (leaves) => taskArithmetic(leaves, lambda),
  ]),
  ...[1, 1.5, 2, 3].map((lambda) => ties(0.2, lambda)),
  ties(0.5, 1),
  ...[0.5, 0.9].map((p): [string, Merge] => [
    `DARE p=${short(p)} + task arithmetic 0.3`,
    (leaves) =>
      taskArithmetic(
        leaves.map((leaf, i) => dare(leaf, p, 100 + i)),
        0.3,
      ),
  ]),
])

function taskArithmetic(inputs: readonly DraftNode[], lambda: number): DraftNode {
  return { operator: 'task-arithmetic', parameters: { lambda }, inputs }
}

function ties(density: number, lambda: number): [string, Merge] {
  return [
    `TIES density ${short(density)} lambda ${lambda.toFixed(1)}`,
    (inputs) => ({ operator: 'ties', parameters: { density, lambda }, inputs }),
  ]
}

function dare(input: DraftNode, p: number, seed: number): DraftNode {
  return { operator: 'dare', parameters: { p, seed }, scope: 'all', inputs: [input] }
}

function short(share: number): string {
  return String(share).slice(1)
}

describe('merges of trained experts', () => {
  let models: MeasuredModels
  before(async () => {
    models = await openModels({
      base: demoPath('base'),
      experts: experts.map((name) => demoPath(`${name}-light`)),
      tasks: experts.map((name) => demoPath(`eval/${name}.safetensors`)),
    })
  })
  after(() => models[Symbol.asyncDispose]())

  it('are all that the reference has', () => {
    const names = [3, 4].flatMap((count) => [...merges.keys()].map((name) => `${count}: ${name}`))
    const merged = Object.keys(reference).filter((name) => /^\d: /.test(name))
    assert.deepEqual(names.toSorted(), merged.toSorted())
  })

  for (const name of merges.keys()) {
    it(`of four have the reference’s losses: ${name}`, () => compare(4, name))
  }
  for (const name of merges.keys()) {
    it(`of three have the reference’s losses: ${name} #slow`, () => compare(3, name))
  }
  for (const name of [...merges.keys()].filter((name) => name.startsWith('TIES'))) {
    it(`as the authors’ code trims differ by less than 10⁻⁴ nats: ${name} #slow`, () =>
      compare(4, name, { mode: 'official', tolerance: 1e-4 }))
  }

  async function compare(
    count: number,
    name: string,
    { mode = 'paper', tolerance }: { mode?: Mode; tolerance?: number } = {},
  ): Promise<void> {
    const root = merges.get(name)!(models.experts.slice(0, count))
    const [figures] = await models.figures([await models.variant(root, mode)])
    for (const [t, task] of experts.entries()) {
      assertFigures(figures![t]!, reference[`${count}: ${name}`]!.tasks[task]!, task, tolerance)
    }
  }
})
