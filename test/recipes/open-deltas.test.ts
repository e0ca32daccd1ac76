import assert from 'node:assert/strict'
import type { DraftNode } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { openDeltas } from '../../src/recipes/open-deltas.ts'
import { leaves, planFor } from './small-model.ts'

const dare: DraftNode = { operator: 'dare', parameters: { p: 0.5 }, inputs: [leaves.a] }

describe('openDeltas', () => {
  for (const [name, root] of Object.entries({ leaf: leaves.a, edit: dare })) {
    it(`has beside each delta the weights that the recipe writes: ${name}`, async () => {
      const plan = await planFor(root)
      const [variant, deltas] = [await openVariant(plan), await openDeltas(plan)]
      for (const tensor of plan.changed) {
        const written: Buffer[] = []
        for await (const { bytes } of variant.chunks(tensor)) written.push(Buffer.from(bytes))
        const posts: Buffer[] = []
        for await (const { count, post } of deltas.tensor(tensor).chunks()) {
          posts.push(Buffer.from(post.u8.subarray(0, 4 * count)))
        }
        assert.ok(Buffer.concat(posts).equals(Buffer.concat(written)), tensor)
      }
      assert.equal(plan.context.kernels.allocated, 0)
    })
  }
})
