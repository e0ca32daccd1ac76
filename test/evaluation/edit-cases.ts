import type { Scope } from '../../src/operators/index.ts'

export interface EditCase {
  readonly operator: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly scope: Scope
}

/** The edits that the references call by these names. */
export const editCases: ReadonlyMap<string, EditCase> = new Map<string, EditCase>([
  ...(['matrices', 'all'] as const).flatMap((scope) => [
    ...[0.5, 0.9, 0.99].map((p) => masked('dare', p, scope)),
    masked('drop', 0.9, scope),
  ]),
  masked('drop', 0.5, 'matrices'),
  masked('drop', 0.99, 'matrices'),
  ...[-1, -0.5, 0.5, 0.8].map((k): [string, EditCase] => [
    `gdare p=0.5 k=${k} [edit]`,
    { operator: 'dare', parameters: { p: 0.5, k }, scope: 'matrices' },
  ]),
  ['bitdelta per-tensor [edit]', { operator: 'through', scope: 'matrices' }],
  [
    'trim top-20% per-tensor [edit]',
    { operator: 'trim', parameters: { density: 0.2 }, scope: 'matrices' },
  ],
  [
    'trim top-20% global [edit]',
    { operator: 'trim', parameters: { density: 0.2, over: 'all' }, scope: 'matrices' },
  ],
  ...[8, 16, 32].map((rank): [string, EditCase] => [
    `svd rank ${rank} [edit]`,
    { operator: 'low-rank', parameters: { rank }, scope: 'matrices' },
  ]),
  ...[-0.5, -0.25, -0.1, 0.1, 0.25, 0.5].map((alpha): [string, EditCase] => [
    `expo alpha=${alpha} [all]`,
    { operator: 'scale', parameters: { alpha }, scope: 'all' },
  ]),
])

function masked(operator: 'dare' | 'drop', p: number, scope: Scope): [string, EditCase] {
  const name = `${operator} p=${p} [${scope === 'all' ? 'all' : 'edit'}]`
  return [name, { operator, parameters: { p }, scope }]
}
