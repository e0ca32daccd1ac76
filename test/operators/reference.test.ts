import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadOperators } from '../../src/operators/index.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'
import { sharedPath, skip } from '../support/shared.ts'

const operators = await loadOperators()

/** Outputs of a numpy implementation on one matrix of a trained model, by the name it gave them. */
const cases: Readonly<Record<string, readonly [string, object]>> = {
  'dare_p0.9_seed0': ['dare', { p: 0.9 }],
  'drop_p0.9_seed0': ['drop', { p: 0.9 }],
  'gdare_p0.5_k-0.5_seed0': ['dare', { p: 0.5, k: -0.5 }],
  bitdelta: ['through', { codec: 'bitdelta' }],
  'trim_0.2': ['trim', { density: 0.2 }],
}

interface Entry {
  readonly data_offsets: readonly [number, number]
}

function readGolden(path: string): { name: string; tensor: (key: string) => Float32Array } {
  const file = readFileSync(path)
  const start = 8 + Number(file.readBigUInt64LE())
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<string, Entry> & {
    __metadata__: { tensor: string }
  }
  return {
    name: header.__metadata__.tensor,
    tensor(key) {
      const [from, to] = header[key]!.data_offsets
      return new Float32Array(Uint8Array.from(file.subarray(start + from, start + to)).buffer)
    },
  }
}

describe('operators beside a numpy implementation', () => {
  for (const family of ['vit-tiny', 'llama-tiny']) {
    for (const [key, [id, parameters]] of Object.entries(cases)) {
      it(`give the same bits: ${key} of ${family}`, async function () {
        const path = sharedPath(`data/${family}/golden/operators.safetensors`)
        if (path === undefined) skip(this, 'the reference models are not beside the repository')
        const { name, tensor } = readGolden(path)
        const options = { name, parameters: { ...parameters } }
        const out = await runOnTensor(operators.get(id), [tensor('delta')], options)
        assert.deepEqual(bits(out.map(positiveZero)), bits(tensor(key).map(positiveZero)))
      })
    }
  }
})

/** numpy keeps the sign of a dropped zero. */
function positiveZero(value: number): number {
  return value + 0
}
