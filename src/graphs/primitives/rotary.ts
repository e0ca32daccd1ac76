import { definePrimitive } from '../primitive.ts'

/**
 * Rotary positions (Su et al. 2021, arXiv 2104.09864, eq. 15) in the layout of LLaMA checkpoints:
 * element i of a head turns together with element i + headWidth/2. Input: x [items, tokens, heads ·
 * headWidth]; positions count from 0. The angles are computed in f64 and rounded once.
 */
export const primitive = definePrimitive<{ headWidth: number; theta: number }>({
  id: 'rotary',
  about:
    '(x₁, x₂) → (x₁ cos a − x₂ sin a, x₂ cos a + x₁ sin a), a = position · theta^(−2i/headWidth)',
  infer([x], { headWidth }) {
    if (x?.shape.length !== 3 || headWidth % 2 !== 0) return undefined
    return x.shape[2]! % headWidth === 0 ? x.shape : undefined
  },
  forward(emitter, [x], { headWidth, theta }) {
    const [items, tokens, width] = x!.shape as [number, number, number]
    const half = headWidth / 2
    const table = (turn: (angle: number) => number): string => {
      const values = new Float32Array(items * tokens * half)
      for (let at = 0; at < values.length; at++) {
        const position = Math.floor(at / half) % tokens
        values[at] = turn(position * theta ** ((-2 * (at % half)) / headWidth))
      }
      return emitter.floats(values, [items, tokens, half])
    }
    return emitter.node('RotaryEmbedding', [x!.name, table(Math.cos), table(Math.sin)], {
      num_heads: width / headWidth,
    })
  },
})
