import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { announcement, type Announcement } from '../../protocol/formats/announcement.ts'
import type { SealedRecord } from '../../protocol/formats/record.ts'
import { type Score, score } from '../../protocol/formats/score.ts'
import { publicNetworkId } from '../../protocol/signature.ts'
import { cidOfValue } from '../../src/canonical.ts'

/** The time by which tests live: 2026-01-01. */
export const NOW = Date.UTC(2026, 0, 1)

/** The same key for the same number, everywhere. */
export function keyOf(number: number): Promise<Ed25519PrivateKey> {
  return generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(number))
}

export const anAnnouncement: Announcement = {
  kind: 'delta',
  root: cidOfValue('a delta'),
  name: 'kana-light',
  base: cidOfValue('a base'),
  bytes: 123_456,
  summary: 'a small network that learned to read kana',
}

export const aScore: Score = {
  variant: cidOfValue('a recipe'),
  suite: cidOfValue('a suite'),
  shard: 3,
  values: [0, 1, -1, 1_234_567, 2 ** 31 - 1, -(2 ** 31)],
  engine: 'onnxruntime 1.30.0',
  device: 'cpu',
}

export interface Signed {
  readonly seq?: number
  readonly at?: number
  readonly networkId?: Uint8Array
}

export function signedScore(
  key: Ed25519PrivateKey,
  { seq = 1, at = NOW, networkId = publicNetworkId }: Signed = {},
): SealedRecord<Score> {
  return score.sign({ ...aScore, shard: seq }, { key, seq, at, networkId })
}

export function signedAnnouncement(
  key: Ed25519PrivateKey,
  { seq = 1, at = NOW, networkId = publicNetworkId }: Signed = {},
): SealedRecord<Announcement> {
  return announcement.sign(anAnnouncement, { key, seq, at, networkId })
}
