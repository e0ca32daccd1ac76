import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { dtypeBytes, weightDTypes } from '../../src/tensors/dtype.ts'
import { blank, place } from './sample-floats.ts'

const counts = [0, 1, 7, 8, 9, 64, 1003]

describe('kernels: planes', () => {
  const kernels = openKernels()
  const random = createRandom('planes')
  const bytesOf = (count: number) => Uint8Array.from({ length: count }, () => random.below(256))

  for (const dtype of weightDTypes) {
    it(`split ${dtype} values turned left by one bit, and join them again`, () => {
      const width = dtypeBytes[dtype]
      for (const count of counts) {
        const values = bytesOf(count * width)
        const source = place(kernels, values)
        const planes = blank(kernels, count * width + 1)
        kernels.splitPlanes(dtype, source, planes, count)
        for (let i = 0; i < count; i++) {
          const bits = Buffer.from(values).readUIntLE(i * width, width)
          const turned = ((bits * 2) % 256 ** width) ^ Math.floor(bits / (256 ** width / 2))
          for (let plane = 0; plane < width; plane++) {
            assert.equal(planes.u8[plane * count + i], (turned >>> (8 * plane)) & 255)
          }
        }
        assert.equal(planes.u8[count * width], 0xa5)
        const back = blank(kernels, count * width + 1)
        kernels.joinPlanes(dtype, planes, back, count)
        assert.deepEqual(
          back.u8.subarray(0, count * width),
          new Uint8Array(source.u8).subarray(0, count * width),
        )
        assert.equal(back.u8[count * width], 0xa5)
      }
    })
  }
})
