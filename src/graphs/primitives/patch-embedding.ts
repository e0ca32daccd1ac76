import { definePrimitive } from '../primitive.ts'

/**
 * A convolution whose stride is its kernel, as a product of patches and weights (Dosovitskiy et al.
 * 2020, arXiv 2010.11929, eq. 1). Inputs: pixels [items, channels, height, width], weight [out,
 * channels, patch, patch], bias [out]. Result: [items, patches, out], patches row by row.
 */
export const primitive = definePrimitive({
  id: 'patch-embedding',
  about: 'y = patches · weightᵀ + bias',
  infer([pixels, weight, bias]) {
    if (pixels?.shape.length !== 4 || weight?.shape.length !== 4) return undefined
    const [items, channels, height, width] = pixels.shape as Four
    const [outputs, depth, patch, square] = weight.shape as Four
    if (depth !== channels || square !== patch || height % patch !== 0 || width % patch !== 0) {
      return undefined
    }
    if (bias?.shape.length !== 1 || bias.shape[0] !== outputs) return undefined
    return [items, (height / patch) * (width / patch), outputs]
  },
  forward(emitter, [pixels, weight, bias]) {
    const [items, channels, height, width] = pixels!.shape as Four
    const [outputs, , patch] = weight!.shape as Four
    const [rows, columns, size] = [height / patch, width / patch, channels * patch * patch]
    const cut = emitter.reshape(pixels!.name, [items, channels, rows, patch, columns, patch])
    const gathered = emitter.transpose(cut, [0, 2, 4, 1, 3, 5])
    const product = emitter.node(
      'Gemm',
      [
        emitter.reshape(gathered, [items * rows * columns, size]),
        emitter.reshape(weight!.name, [outputs, size]),
        bias!.name,
      ],
      { transB: 1 },
    )
    return emitter.reshape(product, [items, rows * columns, outputs])
  },
})

type Four = [number, number, number, number]
