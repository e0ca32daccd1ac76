import assert from 'node:assert/strict'
import { inScope, type Scope } from '../../src/operators/index.ts'
import { dataPath, demoPath } from '../support/shared.ts'
import {
  assertFigures,
  type Figures,
  type MeasuredModels,
  type ModelPaths,
  openModels,
  readReference,
} from './reference-figures.ts'

/** Edits by name; entry i of `seeds` was made with the mask of seed i. */
interface Reference {
  readonly edits: Readonly<Record<string, Figures | { readonly seeds: readonly Figures[] }>>
}

interface Edit {
  readonly operator: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly scope: Scope
}

/** The edits that the references call by these names. */
const edits = new Map<string, Edit>([
  ...(['matrices', 'all'] as const).flatMap((scope) => [
    ...[0.5, 0.9, 0.99].map((p) => masked('dare', p, scope)),
    masked('drop', 0.9, scope),
  ]),
  masked('drop', 0.5, 'matrices'),
  masked('drop', 0.99, 'matrices'),
  ...[-1, -0.5, 0.5, 0.8].map((k): [string, Edit] => [
    `gdare p=0.5 k=${k} [edit]`,
    { operator: 'dare', parameters: { p: 0.5, k }, scope: 'matrices' },
  ]),
  ['bitdelta per-tensor [edit]', { operator: 'through', scope: 'matrices' }],
  [
    'trim top-20% per-tensor [edit]',
    { operator: 'trim', parameters: { density: 0.2 }, scope: 'matrices' },
  ],
  [
    'trim top-20% global [edit]',
    { operator: 'trim', parameters: { density: 0.2, over: 'all' }, scope: 'matrices' },
  ],
  ...[8, 16, 32].map((rank): [string, Edit] => [
    `svd rank ${rank} [edit]`,
    { operator: 'low-rank', parameters: { rank }, scope: 'matrices' },
  ]),
  ...[-0.5, -0.25, -0.1, 0.1, 0.25, 0.5].map((alpha): [string, Edit] => [
    `expo alpha=${alpha} [all]`,
    { operator: 'scale', parameters: { alpha }, scope: 'all' },
  ]),
])

function masked(operator: 'dare' | 'drop', p: number, scope: Scope): [string, Edit] {
  const name = `${operator} p=${p} [${scope === 'all' ? 'all' : 'edit'}]`
  return [name, { operator, parameters: { p }, scope }]
}

const families: readonly { expert: string; file: string; tensors: string; paths: ModelPaths }[] = [
  {
    expert: 'the vision transformer kana-light',
    file: 'vit-edits-kana-light',
    tensors: 'vit',
    paths: {
      base: demoPath('base'),
      experts: [demoPath('kana-light')],
      tasks: [demoPath('eval/kana.safetensors')],
    },
  },
  {
    expert: 'the language model de',
    file: 'llama-edits-de',
    tensors: 'llama-edits-de',
    paths: {
      base: dataPath('llama/base'),
      experts: [dataPath('llama/de')],
      tasks: [dataPath('llama/eval/de.safetensors')],
    },
  },
]

for (const { expert, file, tensors, paths } of families) {
  describe(`edits of ${expert}`, () => {
    const { edits: reference } = readReference(file) as Reference
    let models: MeasuredModels
    before(async () => {
      models = await openModels(paths)
    })
    after(() => models[Symbol.asyncDispose]())

    it('reach, in scope `matrices`, the tensors that the reference edits', () => {
      const { edited_tensors } = readReference(tensors) as { edited_tensors: readonly string[] }
      const specs = [...models.base.tensors.values()]
      const reached = specs.filter((spec) => inScope('matrices', spec)).map(({ name }) => name)
      assert.deepEqual(reached, edited_tensors)
    })

    it('are all that the reference has', () => {
      assert.deepEqual(
        Object.keys(reference).filter((name) => !edits.has(name)),
        [],
      )
    })

    for (const [name, entry] of Object.entries(reference)) {
      const edit = edits.get(name)
      if (edit === undefined) continue
      const expected = 'seeds' in entry ? entry.seeds : [entry]
      const masks = 'seeds' in entry ? ` for ${expected.length} masks` : ''
      // Texts take twice as long as images: one kind of edit with masks is enough for every run.
      const slow = file.startsWith('llama') && expected.length > 3 ? ' #slow' : ''
      it(`have the losses of the reference: ${name}${masks}${slow}`, async () => {
        const variants = await Promise.all(
          expected.map((_, seed) =>
            models.variant({
              ...edit,
              parameters: { ...edit.parameters, ...(masks && { seed }) },
              inputs: models.experts,
            }),
          ),
        )
        const figures = await models.figures(variants)
        for (const [seed, [actual]] of figures.entries()) {
          assertFigures(actual!, expected[seed]!, `mask ${seed}`)
        }
      })
    }
  })
}
