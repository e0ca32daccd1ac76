import assert from 'node:assert/strict'
import { symmetricEigen } from '../../../src/compute/matrix/symmetric-eigen.ts'
import { doublesOf } from '../../../src/compute/doubles-of.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import { createRandom } from '../../../src/random.ts'

function symmetric(size: number, at: (i: number, j: number) => number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, k) => {
    const [i, j] = [Math.floor(k / size), k % size]
    return at(Math.max(i, j), Math.min(i, j))
  })
}

const random = createRandom('symmetric')
const dense = new Map<string, number>()

const matrices: Readonly<Record<string, Float64Array>> = {
  'of one element': Float64Array.of(-3),
  'of zeros': new Float64Array(25),
  'that is diagonal': symmetric(6, (i, j) => (i === j ? i - 2 : 0)),
  'with equal values': symmetric(9, (i, j) => (i === j ? 2 : 1)),
  'that falls by thirteen decades': symmetric(14, (i, j) => (i === j ? 10 ** -i : 10 ** -i / 9)),
  'of random numbers': symmetric(60, (i, j) => {
    const key = `${i} ${j}`
    if (!dense.has(key)) dense.set(key, random.normal())
    return dense.get(key)!
  }),
}

const kernels = openKernels()

async function decomposed(matrix: Float64Array, kernelsToUse = kernels, signal?: AbortSignal) {
  const size = Math.sqrt(matrix.length)
  const region = kernelsToUse.allocate(matrix.byteLength)
  try {
    doublesOf(region).set(matrix)
    const values = await symmetricEigen(kernelsToUse, region, size, { signal })
    return { values, vectors: doublesOf(region).slice(0, size * size) }
  } finally {
    kernelsToUse.release(region)
  }
}

describe('symmetric eigenvalues', () => {
  for (const [name, matrix] of Object.entries(matrices)) {
    it(`and orthonormal vectors of a matrix ${name} give it back`, async () => {
      const size = Math.sqrt(matrix.length)
      const { values, vectors } = await decomposed(matrix)
      const largest = Math.max(...values.map(Math.abs))
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          let [product, overlap] = [0, 0]
          for (let k = 0; k < size; k++) {
            product += vectors[k * size + i]! * values[k]! * vectors[k * size + j]!
            overlap += vectors[i * size + k]! * vectors[j * size + k]!
          }
          assert.ok(Math.abs(product - matrix[i * size + j]!) <= 1e-14 * size * largest)
          assert.ok(Math.abs(overlap - Number(i === j)) < 1e-13)
        }
      }
    })
  }

  it('give way to other work, and end with the signal in the midst of it', async () => {
    const size = 300
    const matrix = symmetric(size, (i, j) => 1 / (1 + i + j) + Number(i === j) * i)
    let turns = 0
    const count = (): void => void (turns++, (next = setImmediate(count)))
    let next = setImmediate(count)
    await decomposed(matrix)
    clearImmediate(next)
    assert.ok(turns >= 3, `${turns}`)

    const controller = new AbortController()
    setImmediate(() => controller.abort(new Error('enough')))
    await assert.rejects(decomposed(matrix, kernels, controller.signal), /enough/)
    assert.equal(kernels.allocated, 0)
  })
})
