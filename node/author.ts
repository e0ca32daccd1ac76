import type { Ed25519PrivateKey } from '@libp2p/interface'
import {
  type Announcement,
  announcement,
  type RecordFormat,
  type Score,
  score,
  type SealedRecord,
} from '../protocol/index.ts'
import type { Network } from './network/network.ts'
import type { Store } from './storage/store.ts'

/** Signs what this node says; a record is durable here before anybody hears of it. */
export interface Author {
  announce(body: Announcement): Promise<void>
  score(bodies: readonly Score[]): Promise<void>
}

export function createAuthor(
  components: {
    readonly key: Ed25519PrivateKey
    readonly store: Store
    readonly network: () => Network | undefined
  },
  init: { readonly networkId: Uint8Array; readonly now?: () => number },
): Author {
  const { key, store, network } = components
  const now = init.now ?? Date.now

  const publish = async <Body>(
    format: RecordFormat<Body>,
    bodies: readonly Body[],
  ): Promise<void> => {
    const sealed: SealedRecord<Body>[] = bodies.map((body) =>
      format.sign(body, {
        key,
        seq: store.records.nextSeq(key.publicKey.raw, format.type),
        at: now(),
        networkId: init.networkId,
      }),
    )
    await store.records.add(sealed)
    await network()?.publish(sealed)
  }

  return {
    announce: (body) => publish(announcement, [body]),
    score: (bodies) => publish(score, bodies),
  }
}
