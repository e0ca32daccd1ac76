/** The protocol's door: bytes on the wire and how they are judged. */
export { type Blockstore, createMemoryBlockstore, verifyBlock } from './block.ts'
export { type Clock } from './clock.ts'
export {
  type BlockKind,
  blocksBelow,
  type DagSize,
  type Link,
  type LinkedNode,
  linksOf,
  maxBlockBytes,
  measureDag,
  type SizedBlock,
} from './dag/links.ts'
export { openDelta } from './dag/open.ts'
export {
  createDeltaWriter,
  type DeltaFacts,
  type DeltaWriter,
  type WrittenDelta,
} from './dag/write.ts'
export { type Announcement, announcement } from './formats/announcement.ts'
export { formatOf } from './formats/index.ts'
export {
  decodeRecord,
  type RecordFormat,
  type SealedRecord,
  type SignedRecord,
  type Signing,
} from './formats/record.ts'
export { type Score, score } from './formats/score.ts'
export {
  type BatchVerdict,
  createGossip,
  type Gossip,
  type GossipComponents,
  type GossipInit,
  gossipsubOptions,
  topicsOf,
} from './gossip.ts'
export { createMemoryRecordSet, type RecordSet, type RecordSetLimits } from './record-set.ts'
export { NETWORK_ID_BYTES, peerIdOf, publicNetworkId } from './signature.ts'
export {
  createSync,
  type Sync,
  type SyncComponents,
  type SyncInit,
  syncProtocol,
} from './sync/sync.ts'
export { judge, type Known, type Verdict } from './verdict.ts'
export {
  createExchange,
  type Exchange,
  type ExchangeComponents,
  type ExchangeInit,
  type PeerCounters,
} from './exchange/exchange.ts'
export { type FetchOptions, type FetchProgress, type FetchReport } from './exchange/fetch.ts'
export {
  MAX_BLOCK_BYTES,
  MAX_RECORDS,
  MAX_RECORDS_PER_AUTHOR,
  MAX_SUMMARY_LENGTH,
} from './limits.ts'
export { BLOCKS_PROTOCOL, yamuxOptions } from './exchange/streams.ts'
