import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { blockOf } from '../../src/tensors/block-of.ts'
import { inScope } from '../../src/tensors/scope.ts'

describe('blockOf', () => {
  for (const [model, path] of [
    ['LLaMA', '../data/llama/base'],
    ['ViT', '../../node/demo/data/base'],
  ] as const) {
    it(`puts every matrix of a ${model} layer into a block, and nothing outside of layers`, async () => {
      const folder = await openFolder(fileURLToPath(new URL(path, import.meta.url)))
      const blocks = new Set<string | undefined>()
      for (const spec of folder.checkpoint.tensors.values()) {
        const block = blockOf(spec.name)
        if (inScope('matrices', spec)) blocks.add(block)
        if (!/\.\d+\./.test(spec.name) || /norm/.test(spec.name)) assert.equal(block, undefined)
      }
      assert.deepEqual(blocks, new Set(['attention', 'mlp']))
      await folder.close()
    })
  }

  it('tells the two output layers of ViT apart', () => {
    assert.equal(blockOf('vit.encoder.layer.0.attention.output.dense.weight'), 'attention')
    assert.equal(blockOf('vit.encoder.layer.0.output.dense.weight'), 'mlp')
    assert.equal(blockOf('vit.encoder.layer.0.intermediate.dense.bias'), 'mlp')
    assert.equal(blockOf('vit.encoder.layer.0.layernorm_before.weight'), undefined)
    assert.equal(blockOf('output.weight'), undefined)
  })
})
