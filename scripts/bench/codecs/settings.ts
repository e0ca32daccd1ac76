/** One way to store a delta: a codec with parameters, after an edit where the codec wants one. */
export interface Setting {
  readonly name: string
  readonly codec: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly edit?: Edit
}

/** An operator on the matrices inside the layers. */
export interface Edit {
  readonly operator: string
  readonly parameters: Readonly<Record<string, unknown>>
}

/** Every codec in each of its forms, the exact one first. */
export const settings: readonly Setting[] = [
  { name: 'raw', codec: 'raw', parameters: {} },
  ...[0.1, 0.5].flatMap((density) => [
    sparse('trim', { density }),
    sparse('dare', { p: 1 - density }),
    sparse('dare', { p: 1 - density }, { mask: 'seeded', drop: 1 - density }),
  ]),
  ...['matrix', 'row', 'column', 'group'].map((scales) => plain('bitdelta', { scales })),
  ...[0.5, 2].map((factor) => plain('bitdelta', { factor })),
  ...['half-normal', 'uniform'].map((distribution) => plain('noise', { distribution })),
  ...[2, 4, 16].flatMap((blocks) =>
    ['equal-count', 'equal-width', 'lloyd'].map((split) => plain('blocks', { blocks, split })),
  ),
  ...[1, 2, 3, 4].flatMap((bits) =>
    ['greedy', 'alternating'].map((fit) => plain('residual', { bits, fit })),
  ),
  ...[0.1, 0.2, 0.5].flatMap((density) =>
    ['mean', 'std'].map((magnitude) => plain('ternary', { density, magnitude })),
  ),
  ...[8, 4, 3, 2].flatMap((bits) =>
    ['symmetric', 'asymmetric', 'gptq'].map((scheme) => plain('integer', { bits, scheme })),
  ),
  ...[8, 16, 32, 64].map((rank) => plain('low-rank', { rank })),
  ...[0.3, 0.1, 0.05, 0.01].map((error) => plain('auto', { error })),
]

/** The values are rounded to BF16, as the weights are. */
function sparse(
  operator: string,
  given: Readonly<Record<string, unknown>>,
  mask: Readonly<Record<string, unknown>> = {},
): Setting {
  const parameters = { values: 'BF16', ...mask }
  const how = 'mask' in mask ? ', mask:seeded' : ''
  const edit = { operator, parameters: given }
  return { name: `sparse after ${spell(operator, given)}${how}`, codec: 'sparse', parameters, edit }
}

function plain(codec: string, parameters: Readonly<Record<string, unknown>>): Setting {
  return { name: spell(codec, parameters), codec, parameters }
}

/** As the command line takes it: `blocks=blocks:4,split:lloyd`. */
export function spell(id: string, parameters: Readonly<Record<string, unknown>>): string {
  const values = Object.entries(parameters).map(([name, value]) => `${name}:${String(value)}`)
  return values.length === 0 ? id : `${id}=${values.join(',')}`
}
