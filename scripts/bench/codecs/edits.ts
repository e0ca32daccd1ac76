import { type Edit, spell } from './settings.ts'

/** Every editing operator at settings that people use, and some that are known to hurt. */
export const edits: readonly (Edit & { readonly name: string })[] = [
  ...[-0.5, -0.25, 0.25, 0.5].map((alpha) => edit('scale', { alpha })),
  ...[0.5, 0.9].map((p) => edit('drop', { p })),
  ...[0.5, 0.9, 0.99].map((p) => edit('dare', { p })),
  ...[-1, 0.5].map((k) => edit('dare', { p: 0.5, k })),
  edit('dare', { select: 'sign' }),
  edit('dare', { p: 0.5, select: 'magnitude' }),
  edit('darex', { p: 0.9, q: 0.2 }),
  ...['no', 'yes'].map((compensate) => edit('flip', { p: 0.1, compensate })),
  edit('randomise-signs', {}),
  ...['all', 'tensor', 'row'].map((over) => edit('trim', { density: 0.2, over })),
  edit('breadcrumbs', { density: 0.2, gamma: 0.1 }),
  ...['row', 'tensor'].map((over) => edit('della', { density: 0.3, over })),
  ...[8, 16, 32].map((rank) => edit('low-rank', { rank })),
]

function edit(operator: string, parameters: Edit['parameters']) {
  return { name: spell(operator, parameters), operator, parameters }
}
