import { sameShape } from '../../tensors/tensor.ts'
import type { Emitter } from '../emitter.ts'
import { definePrimitive } from '../primitive.ts'

/**
 * Scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762, eq. 1) with `heads` query
 * heads in `groups` groups that share a key and a value head (Ainslie et al. 2023, arXiv
 * 2305.13245). Inputs: query [items, tokens, heads · width], key and value [items, tokens, groups ·
 * width]. It is written as matrix products because onnxruntime's fused attention operators return
 * wrong numbers on WebGPU from 32 tokens on.
 */
export const primitive = definePrimitive<{ heads: number; groups: number; causal: boolean }>({
  id: 'attention',
  about: 'y = softmax(query · keyᵀ / √width + mask) · value, head by head',
  infer([query, key, value], { heads, groups }) {
    if (query?.shape.length !== 3 || key === undefined || value === undefined) return undefined
    const [items, tokens, all] = query.shape as [number, number, number]
    const shared = [items, tokens, (all / heads) * groups]
    const fits = all % heads === 0 && heads % groups === 0
    return fits && sameShape(key.shape, shared) && sameShape(value.shape, shared)
      ? query.shape
      : undefined
  },
  forward(emitter, [query, key, value], { heads, groups, causal }) {
    const [items, tokens, all] = query!.shape as [number, number, number]
    const width = all / heads
    // The heads of a group lie behind each other, so one product serves them all without a copy
    // of its key and value.
    const grouped = [items, groups, (heads / groups) * tokens]
    const scale = emitter.float(1 / Math.sqrt(width))
    const scaled = emitter.node('Mul', [query!.name, scale])
    const split = (input: string, count: number): string =>
      emitter.reshape(input, [items, tokens, count, width])
    const q = emitter.transpose(split(scaled, heads), [0, 2, 1, 3])
    const k = emitter.transpose(split(key!.name, groups), [0, 2, 3, 1])
    const v = emitter.transpose(split(value!.name, groups), [0, 2, 1, 3])

    const product = emitter.node('MatMul', [emitter.reshape(q, [...grouped, width]), k])
    const scores = emitter.reshape(product, [items, heads, tokens, tokens])
    const seen = causal ? emitter.node('Add', [scores, futureMask(emitter, tokens)]) : scores
    const weights = emitter.node('Softmax', [seen], { axis: -1 })
    const mixed = emitter.node('MatMul', [emitter.reshape(weights, [...grouped, tokens]), v])
    const perHead = emitter.reshape(mixed, [items, heads, tokens, width])
    return emitter.reshape(emitter.transpose(perHead, [0, 2, 1, 3]), [items, tokens, all])
  },
})

/** Lowest float instead of −∞, whose differences are NaN on devices that assume finite numbers. */
const HIDDEN_SCORE = -3.4028234663852886e38

/** [tokens, tokens], 0 where the key's position is not after the query's. */
function futureMask(emitter: Emitter, tokens: number): string {
  const positions = Int32Array.from({ length: tokens }, (_, position) => position)
  const query = emitter.int32s(positions, [tokens, 1])
  const key = emitter.int32s(positions, [1, tokens])
  const future = emitter.node('Less', [query, key])
  return emitter.node('Where', [future, emitter.float(HIDDEN_SCORE), emitter.float(0)])
}
