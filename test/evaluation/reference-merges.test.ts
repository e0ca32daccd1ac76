import assert from 'node:assert/strict'
import type { Mode } from '../../src/operators/index.ts'
import type { DraftNode } from '../../src/recipes/canonical-recipe.ts'
import type { WeightsLeaf } from '../../src/recipes/recipe.ts'
import { demoPath, sharedPath, skip } from '../support/shared.ts'
import { experts } from '../support/variants.ts'
import {
  assertFigures,
  type Figures,
  type MeasuredModels,
  type ModelPaths,
  openModels,
  readJson,
  readReference,
} from './reference-figures.ts'

/** Merges of all four experts (`4: …`) or of the first three (`3: …`), by name. */
interface Reference {
  readonly merges: Readonly<Record<string, { readonly tasks: Readonly<Record<string, Figures>> }>>
}

type Merge = (leaves: readonly WeightsLeaf[]) => DraftNode

/** The merges that the references call by these names. */
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
  const { merges: reference } = readReference('vit-merges-all-light') as Reference
  const measured = measureMerges({
    base: demoPath('base'),
    experts: experts.map((name) => demoPath(`${name}-light`)),
    tasks: experts.map((name) => demoPath(`eval/${name}.safetensors`)),
  })

  it('are all that the reference has', () => {
    const names = [3, 4].flatMap((count) => [...merges.keys()].map((name) => `${count}: ${name}`))
    assert.deepEqual(names.toSorted(), mergesOf(reference).toSorted())
  })

  for (const name of mergesOf(reference)) {
    it(`have the reference’s losses: ${name}${name.startsWith('4') ? '' : ' #slow'}`, () =>
      measured.compare(name, reference, experts))
  }
  for (const name of mergesOf(reference).filter((name) => name.startsWith('4: TIES'))) {
    it(`as the authors’ code trims differ by less than 10⁻⁴ nats: ${name} #slow`, () =>
      measured.compare(name, reference, experts, { mode: 'official', tolerance: 1e-4 }))
  }
})

for (const [family, file, suffix, tasks] of [
  ['vit-tiny', 'reference', '', experts],
  ['llama-tiny', 'reference', '', ['de', 'fr', 'py', 'math']],
  ['llama-tiny', 'reference-all-light', '-light', ['de', 'fr', 'py', 'math']],
] as const) {
  describe(`merges of the experts ${tasks.map((task) => task + suffix).join(', ')}`, () => {
    const folder = sharedPath(`data/${family}`)
    if (folder === undefined) {
      it('have the reference’s losses #slow', function () {
        skip(this, `no ../shared/data/${family}`)
      })
      return
    }
    const { merges: reference } = readJson(`${folder}/${file}.json`) as Reference
    const measured = measureMerges({
      base: `${folder}/base`,
      experts: tasks.map((task) => `${folder}/${task}${suffix}`),
      tasks: tasks.map((task) => `${folder}/eval/${task}.safetensors`),
    })
    for (const name of mergesOf(reference).filter((name) => name.startsWith('4: '))) {
      it(`have the reference’s losses: ${name} #slow`, () =>
        measured.compare(name, reference, tasks))
    }
  })
}

/** Names of merges; the references list the base and the experts beside them. */
function mergesOf(reference: Reference['merges']): readonly string[] {
  return Object.keys(reference).filter((name) => /^\d: /.test(name))
}

function measureMerges(paths: ModelPaths) {
  let models: MeasuredModels
  before(async () => {
    models = await openModels(paths)
  })
  after(() => models[Symbol.asyncDispose]())

  return {
    async compare(
      merge: string,
      reference: Reference['merges'],
      tasks: readonly string[],
      { mode = 'paper', tolerance }: { mode?: Mode; tolerance?: number } = {},
    ): Promise<void> {
      const [count, name] = merge.split(': ') as [string, string]
      const root = merges.get(name)!(models.experts.slice(0, Number(count)))
      const [figures] = await models.figures([await models.variant(root, mode)])
      for (const [t, task] of tasks.entries()) {
        assertFigures(figures![t]!, reference[merge]!.tasks[task]!, task, tolerance)
      }
    },
  }
}
