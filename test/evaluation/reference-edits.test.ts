import assert from 'node:assert/strict'
import { inScope } from '../../src/operators/index.ts'
import { dataPath, demoPath, sharedPath, skip } from '../support/shared.ts'
import { editCases } from './edit-cases.ts'
import {
  assertFigures,
  type Figures,
  type MeasuredModels,
  type ModelPaths,
  openModels,
  readJson,
  readReference,
} from './reference-figures.ts'

/** Edits by name; entry i of `seeds` was made with the mask of seed i. */
interface Reference {
  readonly edits: Readonly<Record<string, Figures | { readonly seeds: readonly Figures[] }>>
}

interface Family {
  readonly reference: Reference
  /** The tensors in scope `matrices`. */
  readonly edited: readonly string[]
  readonly paths: ModelPaths
  readonly isSlow: (runs: number) => boolean
}

/** The figures of numpy's f64 decompositions may differ by so many nats from those of ours. */
const SVD_TOLERANCE = 5e-4

const images = readReference('vit') as { readonly edited_tensors: readonly string[] }
const texts = readReference('llama-edits-de') as typeof images & Reference

describe('edits of the vision transformer kana-light', () =>
  haveTheLossesOf({
    reference: readReference('vit-edits-kana-light') as Reference,
    edited: images.edited_tensors,
    paths: {
      base: demoPath('base'),
      experts: [demoPath('kana-light')],
      tasks: [demoPath('eval/kana.safetensors')],
    },
    isSlow: () => false,
  }))

describe('edits of the language model de', () =>
  haveTheLossesOf({
    reference: texts,
    edited: texts.edited_tensors,
    paths: {
      base: dataPath('llama/base'),
      experts: [dataPath('llama/de')],
      tasks: [dataPath('llama/eval/de.safetensors')],
    },
    // Texts take twice as long as images: one kind of edit with masks is enough for every run.
    isSlow: (runs) => runs > 3,
  }))

for (const [family, expert, file, edited] of [
  ['vit-tiny', 'kana', 'reference', images.edited_tensors],
  ['llama-tiny', 'de-light', 'reference-de-light', texts.edited_tensors],
  ['llama-tiny', 'math-heavy', 'reference-math-heavy', texts.edited_tensors],
] as const) {
  describe(`edits of ${family}’s ${expert}`, () => {
    const folder = sharedPath(`data/${family}`)
    if (folder === undefined) {
      it('have the losses of the reference #slow', function () {
        skip(this, `no ../shared/data/${family}`)
      })
      return
    }
    const task = expert.split('-')[0]!
    haveTheLossesOf({
      reference: readJson(`${folder}/${file}.json`) as Reference,
      edited,
      paths: {
        base: `${folder}/base`,
        experts: [`${folder}/${expert}`],
        tasks: [`${folder}/eval/${task}.safetensors`],
      },
      isSlow: () => true,
    })
  })
}

function haveTheLossesOf({ reference, edited, paths, isSlow }: Family): void {
  let models: MeasuredModels
  before(async () => {
    models = await openModels(paths)
  })
  after(() => models[Symbol.asyncDispose]())

  it('reach, in scope `matrices`, the tensors that the reference edits', () => {
    const specs = [...models.base.tensors.values()]
    const reached = specs.filter((spec) => inScope('matrices', spec)).map(({ name }) => name)
    assert.deepEqual(reached, edited)
  })

  it('are all that the reference has', () => {
    const unknown = Object.keys(reference.edits).filter((name) => !editCases.has(name))
    assert.deepEqual(unknown, [])
  })

  for (const [name, entry] of Object.entries(reference.edits)) {
    const edit = editCases.get(name)
    if (edit === undefined) continue
    const expected = 'seeds' in entry ? entry.seeds : [entry]
    const masks = 'seeds' in entry ? ` for ${expected.length} masks` : ''
    const slow = isSlow(expected.length) ? ' #slow' : ''
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
      const tolerance = edit.operator === 'low-rank' ? SVD_TOLERANCE : undefined
      for (const [seed, [actual]] of figures.entries()) {
        assertFigures(actual!, expected[seed]!, `mask ${seed}`, tolerance)
      }
    })
  }
}
