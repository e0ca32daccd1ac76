import type { Attributes, Value } from '../../src/graphs/primitive.ts'

/** One application of a primitive with its value worked out in f64, straight from the formula. */
export interface Case {
  readonly primitive: string
  readonly inputs: readonly CaseInput[]
  readonly attributes?: Attributes
  readonly expected: (...inputs: (readonly number[])[]) => number[]
}

/** Without `values`, an input is drawn from a normal distribution. */
export interface CaseInput {
  readonly shape: readonly number[]
  readonly type?: Value['type']
  readonly values?: readonly number[]
}

export const cases: readonly Case[] = [
  {
    primitive: 'linear',
    inputs: [{ shape: [2, 3, 5] }, { shape: [4, 5] }, { shape: [4] }],
    expected: (x, w, b) =>
      fill(
        24,
        (i) => b[i % 4]! + sum(5, (k) => x[Math.floor(i / 4) * 5 + k]! * w[(i % 4) * 5 + k]!),
      ),
  },
  {
    primitive: 'linear',
    inputs: [{ shape: [3, 5] }, { shape: [4, 5] }],
    expected: (x, w) =>
      fill(12, (i) => sum(5, (k) => x[Math.floor(i / 4) * 5 + k]! * w[(i % 4) * 5 + k]!)),
  },
  {
    primitive: 'embedding',
    inputs: [{ shape: [6, 3] }, { shape: [2, 4], type: 'int32', values: [5, 0, 2, 2, 1, 3, 4, 5] }],
    expected: (table, ids) => fill(24, (i) => table[ids[Math.floor(i / 3)]! * 3 + (i % 3)]!),
  },
  {
    primitive: 'add',
    inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 4] }],
    expected: (a, b) => fill(24, (i) => a[i]! + b[i]!),
  },
  {
    primitive: 'add',
    inputs: [{ shape: [2, 3, 4] }, { shape: [1, 3, 4] }],
    expected: (a, b) => fill(24, (i) => a[i]! + b[i % 12]!),
  },
  {
    primitive: 'multiply',
    inputs: [{ shape: [2, 3, 4] }, { shape: [2, 3, 4] }],
    expected: (a, b) => fill(24, (i) => a[i]! * b[i]!),
  },
  {
    primitive: 'rms-norm',
    inputs: [{ shape: [2, 3, 8] }, { shape: [8] }],
    attributes: { epsilon: 0.25 },
    expected: (x, w) =>
      fill(48, (i) => {
        const row = x.slice(i - (i % 8), i - (i % 8) + 8)
        return (w[i % 8]! * x[i]!) / Math.sqrt(sum(8, (k) => row[k]! ** 2) / 8 + 0.25)
      }),
  },
  {
    primitive: 'layer-norm',
    inputs: [{ shape: [6, 8] }, { shape: [8] }, { shape: [8] }],
    attributes: { epsilon: 0.25 },
    expected: (x, w, b) =>
      fill(48, (i) => {
        const row = x.slice(i - (i % 8), i - (i % 8) + 8)
        const mean = sum(8, (k) => row[k]!) / 8
        const variance = sum(8, (k) => (row[k]! - mean) ** 2) / 8
        return (w[i % 8]! * (x[i]! - mean)) / Math.sqrt(variance + 0.25) + b[i % 8]!
      }),
  },
  {
    primitive: 'silu',
    inputs: [{ shape: [40] }],
    expected: (x) => x.map((v) => v / (1 + Math.exp(-v))),
  },
  {
    primitive: 'gelu',
    inputs: [{ shape: [40] }],
    expected: (x) => x.map((v) => (v / 2) * (1 + erf(v / Math.SQRT2))),
  },
  {
    primitive: 'rotary',
    inputs: [{ shape: [2, 5, 12] }],
    attributes: { headWidth: 6, theta: 100 },
    expected: (x) =>
      fill(120, (at) => {
        const i = at % 6
        const angle = (Math.floor(at / 12) % 5) * 100 ** ((-2 * (i % 3)) / 6)
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
        return i < 3 ? x[at]! * cos - x[at + 3]! * sin : x[at]! * cos + x[at - 3]! * sin
      }),
  },
  ...[
    { heads: 4, groups: 2, causal: true },
    { heads: 4, groups: 1, causal: true },
    { heads: 3, groups: 3, causal: false },
  ].map((attributes): Case => {
    const [items, tokens, width] = [2, 5, 4]
    return {
      primitive: 'attention',
      inputs: [attributes.heads, attributes.groups, attributes.groups].map((heads) => ({
        shape: [items, tokens, heads * width],
      })),
      attributes,
      expected: (q, k, v) => attention(q, k, v, { ...attributes, items, tokens, width }),
    }
  }),
  {
    primitive: 'patch-embedding',
    inputs: [{ shape: [2, 3, 4, 6] }, { shape: [5, 3, 2, 2] }, { shape: [5] }],
    expected: (x, w, b) =>
      fill(2 * 6 * 5, (at) => {
        const [item, patch, out] = [Math.floor(at / 30), Math.floor(at / 5) % 6, at % 5]
        const [top, left] = [2 * Math.floor(patch / 3), 2 * (patch % 3)]
        const products = sum(12, (k) => {
          const [channel, dy, dx] = [Math.floor(k / 4), Math.floor(k / 2) % 2, k % 2]
          const pixel = x[((item * 3 + channel) * 4 + top + dy) * 6 + left + dx]!
          return pixel * w[out * 12 + k]!
        })
        return b[out]! + products
      }),
  },
  {
    primitive: 'prepend-token',
    inputs: [{ shape: [2, 3, 4] }, { shape: [1, 1, 4] }],
    expected: (x, token) => [...token, ...x.slice(0, 12), ...token, ...x.slice(12)],
  },
  {
    primitive: 'select-token',
    inputs: [{ shape: [2, 3, 4] }],
    attributes: { index: 1 },
    expected: (x) => [...x.slice(4, 8), ...x.slice(16, 20)],
  },
  {
    primitive: 'token-losses',
    inputs: [
      { shape: [2, 3, 7] },
      { shape: [2, 3], type: 'int32', values: [0, 6, -100, 3, -1, 5] },
    ],
    expected: (logits, targets) =>
      targets.map((target, row) => {
        if (target < 0) return 0
        const all = logits.slice(row * 7, row * 7 + 7)
        return Math.log(sum(7, (k) => Math.exp(all[k]!))) - all[target]!
      }),
  },
]

/** Inputs that a primitive must refuse, by id. */
export const refused: readonly Pick<Case, 'primitive' | 'inputs' | 'attributes'>[] = [
  { primitive: 'linear', inputs: [{ shape: [2, 5] }, { shape: [4, 6] }] },
  { primitive: 'linear', inputs: [{ shape: [2, 5] }, { shape: [4, 5] }, { shape: [5] }] },
  { primitive: 'embedding', inputs: [{ shape: [6, 3] }, { shape: [2, 4] }] },
  { primitive: 'add', inputs: [{ shape: [2, 3] }, { shape: [2, 4] }] },
  { primitive: 'add', inputs: [{ shape: [2, 3] }, { shape: [3] }] },
  { primitive: 'multiply', inputs: [{ shape: [2, 3] }, { shape: [1, 3] }] },
  {
    primitive: 'rms-norm',
    inputs: [{ shape: [2, 3] }, { shape: [2] }],
    attributes: { epsilon: 1 },
  },
  {
    primitive: 'layer-norm',
    inputs: [{ shape: [2, 3] }, { shape: [3] }, { shape: [2] }],
    attributes: { epsilon: 1 },
  },
  {
    primitive: 'rotary',
    inputs: [{ shape: [2, 5, 12] }],
    attributes: { headWidth: 8, theta: 100 },
  },
  {
    primitive: 'attention',
    inputs: [{ shape: [2, 5, 12] }, { shape: [2, 5, 8] }, { shape: [2, 5, 8] }],
    attributes: { heads: 3, groups: 2, causal: true },
  },
  {
    primitive: 'patch-embedding',
    inputs: [{ shape: [2, 3, 5, 6] }, { shape: [5, 3, 2, 2] }, { shape: [5] }],
  },
  { primitive: 'prepend-token', inputs: [{ shape: [2, 3, 4] }, { shape: [1, 2, 4] }] },
  { primitive: 'select-token', inputs: [{ shape: [2, 3, 4] }], attributes: { index: 3 } },
  { primitive: 'token-losses', inputs: [{ shape: [2, 3, 7] }, { shape: [2, 3] }] },
]

function attention(
  q: readonly number[],
  k: readonly number[],
  v: readonly number[],
  sizes: {
    items: number
    tokens: number
    width: number
    heads: number
    groups: number
    causal: boolean
  },
): number[] {
  const { items, tokens, width, heads, groups, causal } = sizes
  const out: number[] = []
  for (let item = 0; item < items; item++) {
    for (let t = 0; t < tokens; t++) {
      for (let head = 0; head < heads; head++) {
        const group = Math.floor((head * groups) / heads)
        const query = ((item * tokens + t) * heads + head) * width
        const other = (s: number): number => ((item * tokens + s) * groups + group) * width
        const seen = causal ? t + 1 : tokens
        const scores = fill(seen, (s) =>
          Math.exp(sum(width, (i) => q[query + i]! * k[other(s) + i]!) / Math.sqrt(width)),
        )
        const total = sum(seen, (s) => scores[s]!)
        for (let i = 0; i < width; i++) {
          out.push(sum(seen, (s) => (scores[s]! / total) * v[other(s) + i]!))
        }
      }
    }
  }
  return out
}

/** Maclaurin series; fine for the few standard deviations that are drawn. */
function erf(x: number): number {
  let term = x
  let total = x
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n
    total += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * total
}

function fill(length: number, value: (i: number) => number): number[] {
  return Array.from({ length }, (_, i) => value(i))
}

function sum(count: number, term: (k: number) => number): number {
  let total = 0
  for (let k = 0; k < count; k++) total += term(k)
  return total
}
