import type { VariantClass } from '../../../src/index.ts'
import { signed, table } from './cells.ts'
import type { ExpertReport } from './measure-expert.ts'
import type { LossChange } from './own-task.ts'

/** What arXiv 2410.13841 says of an edit, and whether it is so for an expert. */
interface Claim {
  readonly says: string
  /** The setting or edit whose loss change is shown. */
  readonly by: string
  /** `of` gives the change of another setting, `margin` is the expert's. */
  readonly holds: (change: LossChange, of: (name: string) => LossChange, margin: number) => boolean
}

type Holds = Claim['holds']

function is(...kinds: readonly VariantClass[]): Holds {
  return (change) => kinds.includes(change.class)
}

function above(name: string): Holds {
  return ({ difference }, of) => difference > of(name).difference
}

function near(name: string): Holds {
  return ({ difference }, of, margin) => Math.abs(difference - of(name).difference) < margin
}

const BITDELTA = 'bitdelta=scales:matrix'

const claims: readonly Claim[] = (
  [
    ['random dropping with rescaling is competitive', 'dare=p:0.5', is('competitive')],
    ['random dropping with rescaling is competitive', 'dare=p:0.9', is('competitive')],
    ['a factor k instead of 0 is competitive too', 'dare=p:0.5,k:0.5', is('competitive')],
    ['a factor k instead of 0 is competitive too', 'dare=p:0.5,k:-1', is('competitive')],
    ['dropping is worse without rescaling', 'drop=p:0.9', above('dare=p:0.9')],
    ['one bit of sign is decreased', BITDELTA, is('decreased')],
    ['another scale than the mean magnitude is worse', 'bitdelta=factor:0.5', above(BITDELTA)],
    ['another scale than the mean magnitude is worse', 'bitdelta=factor:2', above(BITDELTA)],
    ['random magnitudes do as well as one', 'noise=distribution:half-normal', near(BITDELTA)],
    ['random magnitudes do as well as one', 'noise=distribution:uniform', near(BITDELTA)],
    [
      '16 magnitudes lose nothing',
      'blocks=blocks:16,split:equal-count',
      is('competitive', 'improved'),
    ],
    ['keeping the largest fifth is decreased', 'trim=density:0.2,over:tensor', is('decreased')],
    ['truncating the rank is decreased', 'low-rank=rank:16', is('decreased')],
    ['extrapolation improves, on some data', 'scale=alpha:0.25', is('improved')],
  ] as const
).map(([says, by, holds]) => ({ says, by, holds }))

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
