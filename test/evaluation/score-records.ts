import { type CID, cidOfValue } from '../../src/canonical.ts'
import { quantiseLoss, type ScoreRecord } from '../../src/evaluation/score.ts'

export const suiteId = cidOfValue('suite')

/** The CID of a name, for variants of which nothing else matters. */
export function variantId(name: string): CID {
  return cidOfValue(name)
}

interface Claim {
  readonly variant: string
  readonly author: string
  readonly shard?: number
  readonly seq?: number
  /** Nats per item. */
  readonly losses: readonly number[]
  readonly suite?: CID
  readonly id?: string
}

let made = 0

/** A record that nobody signed; ids differ. */
export function claim({ variant, author, losses, ...rest }: Claim): ScoreRecord {
  const { shard = 0, seq = 1, suite = suiteId, id = `record-${made++}` } = rest
  const values = losses.map(quantiseLoss)
  return { id, author, seq, variant: variantId(variant), suite, shard, values, engine: 'test/1' }
}
