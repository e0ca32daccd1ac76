import type { VariantClass } from '../../../src/index.ts'
import { signed, table } from './cells.ts'
import type { ExpertReport } from './measure-expert.ts'
import type { LossChange } from './own-task.ts'

/** What arXiv 2410.13841 says of an edit, and whether it is so for an expert. */
interface Claim {
  readonly says: string
  /** The setting or edit whose loss change is shown. */
  readonly by: string
  readonly holds: (change: LossChange, of: (name: string) => LossChange, margin: number) => boolean
}

const is =
  (kind: VariantClass): Claim['holds'] =>
  (change) =>
    change.class === kind

const BITDELTA = 'bitdelta=scales:matrix'

const claims: readonly Claim[] = [
  ...['dare=p:0.5', 'dare=p:0.9'].map((by) => ({
    says: 'random dropping with rescaling is competitive',
    by,
    holds: is('competitive'),
  })),
  ...['dare=p:0.5,k:0.5', 'dare=p:0.5,k:-1'].map((by) => ({
    says: 'a factor k instead of 0 is competitive too',
    by,
    holds: is('competitive'),
  })),
  {
    says: 'dropping without rescaling is worse than with it',
    by: 'drop=p:0.9',
    holds: ({ difference }, of) => difference > of('dare=p:0.9').difference,
  },
  { says: 'one bit of sign is decreased', by: BITDELTA, holds: is('decreased') },
  ...['bitdelta=factor:0.5', 'bitdelta=factor:2'].map((by) => ({
    says: 'another scale than the mean magnitude is worse',
    by,
    holds: (({ difference }, of) => difference > of(BITDELTA).difference) satisfies Claim['holds'],
  })),
  ...['noise=distribution:half-normal', 'noise=distribution:uniform'].map((by) => ({
    says: 'random magnitudes do as well as one',
    by,
    holds: (({ difference }, of, margin) =>
      Math.abs(difference - of(BITDELTA).difference) < margin) satisfies Claim['holds'],
  })),
  {
    says: '16 magnitudes lose nothing',
    by: 'blocks=blocks:16,split:equal-count',
    holds: ({ class: kind }) => kind === 'competitive' || kind === 'improved',
  },
  {
    says: 'keeping the largest fifth is decreased',
    by: 'trim=density:0.2,over:tensor',
    holds: is('decreased'),
  },
  { says: 'truncating the rank is decreased', by: 'low-rank=rank:16', holds: is('decreased') },
  {
    says: 'extrapolation improves where its first step lowers the loss',
    by: 'scale=alpha:0.25',
    holds: is('improved'),
  },
]

/** One row per claim, one column per expert. */
export function claimTable(experts: readonly ExpertReport[]): string {
  const head = ['the paper', 'measured by', ...experts.map(({ name }) => name)]
  const rows = claims.map(({ says, by, holds }) => [
    says,
    `\`${by}\``,
    ...experts.map((expert) => {
      const of = changesOf(expert)
      const change = of(by)
      if (change.class === 'undecided') return `${signed(change.difference)}, undecided`
      const verdict = holds(change, of, expert.margin) ? 'holds' : '**does not hold**'
      return `${signed(change.difference)}, ${verdict}`
    }),
  ])
  return table(head, rows)
}

function changesOf({ codecs, edits }: ExpertReport): (name: string) => LossChange {
  const changes = new Map([...codecs, ...edits].map(({ name, change }) => [name, change]))
  return (name) => changes.get(name)!
}
