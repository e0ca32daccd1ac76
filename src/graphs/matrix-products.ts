import type { Kernels, Matrix, Region } from '../compute/kernels.ts'
import type { Lease } from '../compute/lease.ts'
import { matrixOf } from '../compute/matrix/matrix.ts'
import { createProducts, type MatrixProducts } from '../compute/matrix/products.ts'
import type { DeviceTensor } from '../compute/onnxruntime.ts'
import type { DeviceMemory } from './device-memory.ts'

/**
 * Products whose left factor is a matrix, or its transpose, on a device to which the matrix is
 * brought once; others, which are small in a decomposition of it, by the kernels. Its sums are
 * rounded in an order of its own: for what is measured, not for what is stored or hashed. The
 * matrix is contiguous row by row and does not change until the lease ends.
 */
export function createDeviceProducts(
  device: DeviceMemory,
  kernels: Kernels,
  matrix: Matrix,
  lease: Lease,
): MatrixProducts {
  const own = createProducts(kernels, lease)
  const { region, rows, columns } = matrix
  let resident: Promise<DeviceTensor> | undefined
  lease.defer(async () => (await resident)?.release())

  return {
    ...own,
    async multiply(left, right, out) {
      if (left.region !== region || out.columns === 0) return own.multiply(left, right, out)
      resident ??= device.upload({ region, type: 'float32', dims: [rows, columns] })
      const transA = Number(left.rows !== rows || left.columnStep !== 1)
      const tensors: DeviceTensor[] = []
      using numbers = gathered(kernels, right, out.rows * out.columns)
      try {
        const dims = [right.rows, right.columns]
        const factor = await device.upload({ region: numbers.region, type: 'float32', dims })
        tensors.push(factor)
        const product = await device.compute(
          [await resident, factor],
          [out.rows, out.columns],
          (emitter, names) => emitter.node('Gemm', names, { transA }),
        )
        tensors.push(product)
        await device.download(product, numbers.region)
      } finally {
        for (const tensor of tensors) await tensor.release()
      }
      copyMatrix(matrixOf(numbers.region, out.rows, out.columns), out)
    },
  }
}

/** A matrix row by row, in a region that has room for `least` numbers. */
function gathered(
  kernels: Kernels,
  matrix: Matrix,
  least: number,
): Disposable & { readonly region: Region } {
  const { rows, columns } = matrix
  const region = kernels.allocate(Math.max(rows * columns, least) * 4)
  copyMatrix(matrix, matrixOf(region, rows, columns))
  return { region, [Symbol.dispose]: () => kernels.release(region) }
}

function copyMatrix(from: Matrix, to: Matrix): void {
  for (let i = 0; i < to.rows; i++) {
    for (let j = 0; j < to.columns; j++) {
      to.region.f32[to.at + i * to.rowStep + j * to.columnStep] =
        from.region.f32[from.at + i * from.rowStep + j * from.columnStep]!
    }
  }
}
