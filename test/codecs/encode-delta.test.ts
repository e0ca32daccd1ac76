import assert from 'node:assert/strict'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { chooseCodecs } from '../../src/codecs/manifest/encode-delta.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Registry } from '../../src/registry.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'

describe('chooseCodecs', () => {
  let codecs: Registry<Codec>
  before(async () => {
    codecs = await loadCodecs()
  })

  const changed = [
    spec('model.embed_tokens.weight', 10, 4),
    spec('model.layers.0.mlp.up_proj.weight', 4, 4),
    spec('model.layers.0.norm.weight', 4),
    spec('model.layers.11.mlp.up_proj.weight', 4, 4),
  ]
  const idsOf = (choice: Parameters<typeof chooseCodecs>[1]) =>
    [...chooseCodecs(changed, choice, codecs).values()].map(({ codec }) => codec)

  it('stores only the matrices inside the layers with a loss', () => {
    for (const codec of ['bitdelta', 'sparse']) {
      assert.deepEqual(idsOf({ codec, parameters: {} }), ['raw', codec, 'raw', codec])
    }
  })

  it('stores everything with an exact codec or with scope all', () => {
    assert.deepEqual(idsOf({ codec: 'raw', parameters: {} }), Array(4).fill('raw'))
    assert.deepEqual(
      idsOf({ codec: 'sparse', parameters: {}, scope: 'all' }),
      Array(4).fill('sparse'),
    )
  })

  it('fills in defaults and refuses what does not exist', () => {
    const chosen = chooseCodecs(changed, { codec: 'bitdelta', parameters: { factor: 2 } }, codecs)
    assert.deepEqual(chosen.get('model.layers.0.mlp.up_proj.weight'), {
      codec: 'bitdelta',
      parameters: {
        scales: 'matrix',
        group: 128,
        scaleDtype: 'BF16',
        mean: 'all',
        factor: 2,
        zeros: 'keep',
      },
    })
    for (const choice of [
      { codec: 'bitdelt', parameters: {} },
      { codec: 'bitdelta', parameters: { factor: 5 } },
      { codec: 'raw', parameters: { factor: 1 } },
    ]) {
      assert.throws(() => chooseCodecs(changed, choice, codecs), InvalidInputError)
    }
  })
})

function spec(name: string, ...shape: number[]): TensorSpec {
  return { name, dtype: 'BF16', shape }
}
