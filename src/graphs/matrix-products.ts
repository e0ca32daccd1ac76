import type { Kernels, Matrix, Region } from '../compute/kernels.ts'
import type { Lease } from '../compute/lease.ts'
import { createProducts, type MatrixProducts } from '../compute/matrix/products.ts'
import type { Runtime, Session } from '../compute/onnxruntime.ts'
import { createEmitter } from './emitter.ts'

/**
 * Products of matrices by onnxruntime, whose sums are rounded in an order of its own: for what is
 * looked at, not for what is stored or hashed. Matrices that are parts of larger ones are multiplied
 * by the kernels. Sessions are kept by shape until the lease ends.
 */
export function createRuntimeProducts(
  runtime: Runtime,
  kernels: Kernels,
  lease: Lease,
): MatrixProducts {
  const own = createProducts(kernels, lease)
  const sessions = new Map<string, Promise<Session>>()
  lease.defer(async () => {
    for (const session of sessions.values()) await (await session).release()
  })

  return {
    ...own,
    async multiply(left, right, out) {
      const [l, r, o] = [asStored(left), asStored(right), asStored(out)]
      if (l === undefined || r === undefined || o === undefined || left.columns === 0) {
        await own.multiply(left, right, out)
        return
      }
      const key = JSON.stringify([l.turned, l.dims, r.turned, r.dims])
      let session = sessions.get(key)
      if (session === undefined) sessions.set(key, (session = runtime.session(gemm(l, r, o))))
      const view = ({ region, dims }: Stored) => ({ region, dims, type: 'float32' }) as const
      await (await session).run({ left: view(l), right: view(r) }, { out: view(o) })
    },
  }
}

/** A matrix as it lies in memory; `turned` when that is its transpose. */
interface Stored {
  readonly region: Region
  readonly dims: readonly [number, number]
  readonly turned: boolean
}

/** `undefined` for a part of a larger matrix, and for one without elements. */
function asStored({ region, rows, columns, at, rowStep, columnStep }: Matrix): Stored | undefined {
  if (at !== 0 || rows * columns === 0) return undefined
  if (columnStep === 1 && rowStep === columns)
    return { region, dims: [rows, columns], turned: false }
  if (rowStep === 1 && columnStep === rows) return { region, dims: [columns, rows], turned: true }
  return undefined
}

function gemm(left: Stored, right: Stored, out: Stored): Uint8Array {
  const emitter = createEmitter()
  const value = (name: string, { dims }: Stored) =>
    ({ name, type: 'float32', shape: dims }) as const
  const flags = { transA: Number(left.turned), transB: Number(right.turned) }
  const from = emitter.node('Gemm', ['left', 'right'], flags)
  const inputs = [value('left', left), value('right', right)]
  return emitter.finish('product', inputs, [{ value: value('out', out), from }])
}
