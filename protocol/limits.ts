/**
 * Every cap on what a peer can make us hold, decode or wait for. Limits of file formats stand
 * beside their parsers. Sizes are bytes, times milliseconds.
 */

const KIB = 1024
const MIB = 1024 * KIB

// Blocks

/**
 * Verified whole before use, so a lying peer wastes at most this; bitswap peers take up to 2 MiB.
 */
export const MAX_BLOCK_BYTES = MIB

/** Larger than a raw delta of a model of 7 · 10⁹ parameters. */
export const MAX_DELTA_BYTES = 16 * 1024 * MIB

// Signed records

/** A score with 32 values takes some 400 bytes, an announcement with the longest texts 1.5 KiB. */
export const MAX_RECORD_BYTES = 8 * KIB

/** Longest name of anything that people see in lists, in UTF-16 units. */
export const MAX_NAME_LENGTH = 128

/** A sentence or two. */
export const MAX_SUMMARY_LENGTH = 512

/** Longest name of an engine and its version. */
export const MAX_ENGINE_LENGTH = 64

/** How far a record's clock may run ahead of ours before it is held back: ten minutes. */
export const MAX_CLOCK_AHEAD_MS = 10 * 60_000

/** Some 400 MB of scores; a federation of 100 evaluators reaches it after 10,000 shards each. */
export const MAX_RECORDS = 1_000_000

/** No author may fill more than a twentieth of the set. */
export const MAX_RECORDS_PER_AUTHOR = 50_000

// Gossip

/** Records per message: one evaluation of an open suite. */
export const MAX_GOSSIP_RECORDS = 32

/** Gossip copies each message some six times per node; what is larger travels by sync. */
export const MAX_GOSSIP_BYTES = 16 * KIB

/** 16 of our largest messages in one frame; the default of 4 MiB let few frames fill the heap. */
export const MAX_GOSSIP_FRAME_BYTES = 256 * KIB

/** Unsent bytes per peer before a slow peer's messages are dropped; sync brings them later. */
export const MAX_GOSSIP_QUEUE_BYTES = MIB

/** Entries of one gossip frame; the defaults are 5,000 and, for some, unlimited. */
export const MAX_GOSSIP_FRAME_ENTRIES = {
  maxSubscriptions: 64,
  maxMessages: 64,
  maxIhaveMessageIDs: 512,
  maxIwantMessageIDs: 512,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 128,
  maxPeerInfos: 16,
} as const

// Sync of records

/** A request names at most `MAX_SYNC_WANTS` ids or one cursor. */
export const MAX_SYNC_REQUEST_BYTES = 32 * KIB

/** 10,000 ids in one frame; some 600 scores. What does not fit is asked for again. */
export const MAX_SYNC_RESPONSE_BYTES = 320 * KIB + KIB

/** Ids in one listing; with more, the listing goes on from the last. */
export const MAX_SYNC_IDS = 10_000

/** Listings in one session: enough for `MAX_RECORDS`. */
export const MAX_SYNC_PAGES = 100

/** Records asked for at once: about what fits a response. */
export const MAX_SYNC_WANTS = 512

/** Sessions that we run at a time: decoding and verifying is work of the main thread. */
export const MAX_SYNC_SESSIONS = 2

/** Streams that one connection may hold open against us for sync. */
export const MAX_SYNC_STREAMS = 2

/** One answer. */
export const SYNC_ANSWER_TIMEOUT_MS = 10_000

/** A whole session; what is missing then is fetched by the next. */
export const SYNC_SESSION_TIMEOUT_MS = 60_000

/** Requests that one stream may send: 1,000,000 records in batches of 256, and listings. */
export const MAX_SYNC_REQUESTS = 5000

/** Ids that we decided not to ask for again yet, such as those of records from the future. */
export const MAX_SYNC_POSTPONED = 10_000

// Block exchange

/** 256 wanted CIDs of 41 bytes take some 11 KiB. */
export const MAX_REQUEST_HEADER_BYTES = 64 * KIB

/** The longest answer is the bitmap of `MAX_HAVE_BLOCKS` blocks. */
export const MAX_RESPONSE_HEADER_BYTES = 16 * KIB

/** 8 KiB of bitmap: four times the leaves of the largest delta. */
export const MAX_HAVE_BLOCKS = 65_536

/** Blocks of one DAG, which the fetching side tracks one by one (some 300 bytes each). */
export const MAX_DAG_BLOCKS = 131_072

/** Wanted blocks in one request, and queued for one peer; bitswap queues as many. */
export const MAX_WANT_BLOCKS = 256
export const MAX_QUEUED_BLOCKS = 1024

/** Roots that one peer may have wants open for: no client of ours follows more at a time. */
export const MAX_OPEN_ROOTS = 16

/** What a server takes per peer, with a burst of two seconds; a client asks a little less often. */
export const MAX_REQUESTS_PER_SECOND = 32

/** Requests refused in a row before the stream of a peer that ignores `choke` is reset. */
export const MAX_REFUSED_REQUESTS = 64

/**
 * Blocks that a server reads ahead of what a peer's stream has taken: bounds its memory per peer.
 */
export const MAX_BLOCKS_AHEAD = 2

/**
 * A peer that takes longer for one block costs us its stream's memory; its own fetch gives up then.
 */
export const SEND_STALLED_MS = 60_000

/** Bytes asked for and not yet stored: start, least and most per peer, and over all peers. */
export const CREDIT_START_BYTES = 4 * MIB
export const CREDIT_MIN_BYTES = MIB
export const CREDIT_MAX_BYTES = 16 * MIB
export const MAX_BYTES_IN_FLIGHT = 64 * MIB

/** A peer with open wants that sends nothing for this long rests, and others are asked. */
export const PEER_SILENCE_MS = 10_000

/** Without a verified byte for this long a fetch says why it stands still, then gives up. */
export const FETCH_STALLED_MS = 15_000
export const FETCH_GIVE_UP_MS = 60_000

/** A `choke` cannot rest a peer for longer. */
export const MAX_CHOKE_MS = 60_000

/** How long a `have?` and the opening of a stream may take: one answer, one dial. */
export const HAVE_TIMEOUT_MS = 10_000
export const OPEN_STREAM_TIMEOUT_MS = 15_000

/** Peers that sent wrong bytes or broke the framing are left alone for this long. */
export const BAN_MS = 10 * 60_000

/** Bans remembered; the oldest go first. */
export const MAX_BANS = 1024

/**
 * Streams of the block exchange that a connection may hold open: one is used, one may be closing.
 */
export const MAX_BLOCK_STREAMS = 2

/** The read buffer of streams that peers open, and of those that we open for blocks. */
export const MAX_INBOUND_BUFFER_BYTES = 256 * KIB
export const MAX_BLOCK_BUFFER_BYTES = 8 * MIB

/**
 * The receive window that a fast stream grows to: half the read buffer, so that a pause never kills
 * it.
 */
export const MAX_STREAM_WINDOW_BYTES = 4 * MIB

/** Unsent bytes of one stream before it is reset; we hand a stream one block at a time. */
export const MAX_WRITE_BUFFER_BYTES = 8 * MIB
