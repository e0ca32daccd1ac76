import { readFileSync } from 'node:fs'
import { sharedPath, skip } from '../support/shared.ts'
import { assertFigures, type Figures, openModels } from './reference-figures.ts'

/** PyTorch's f32 measures of numpy's f64 decompositions may differ by so many nats from ours. */
const TOLERANCE = 5e-4

const experts = [
  ['vit-tiny', 'kana', 'reference'],
  ['llama-tiny', 'de', 'reference'],
  ['llama-tiny', 'de-light', 'reference-de-light'],
] as const

for (const [family, expert, file] of experts) {
  describe(`truncated SVDs of ${family}'s ${expert}`, () => {
    it('have the losses of the reference at rank 8, 16 and 32 #slow', async function () {
      const folder = sharedPath(`data/${family}`)
      if (folder === undefined) return skip(this, `no ../shared/data/${family}`)
      const reference = JSON.parse(readFileSync(`${folder}/${file}.json`, 'utf8')) as {
        readonly edits: Readonly<Record<string, Figures>>
      }
      await using models = await openModels({
        base: `${folder}/base`,
        experts: [`${folder}/${expert}`],
        tasks: [`${folder}/eval/${expert.replace('-light', '')}.safetensors`],
      })
      const ranks = [8, 16, 32]
      const variants = await Promise.all(
        ranks.map((rank) =>
          models.variant({
            operator: 'low-rank',
            parameters: { rank },
            scope: 'matrices',
            inputs: models.experts,
          }),
        ),
      )
      const figures = await models.figures(variants)
      for (const [i, [actual]] of figures.entries()) {
        const { loss } = reference.edits[`svd rank ${ranks[i]!} [edit]`]!
        assertFigures(actual!, { loss }, `rank ${ranks[i]!}`, TOLERANCE)
      }
    })
  })
}
