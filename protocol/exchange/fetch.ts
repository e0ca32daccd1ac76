import { type CID, DeltaswarmError, NetworkError, RAW } from '../../src/index.ts'
import type { Blockstore } from '../block.ts'
import type { Buffers } from './buffers.ts'
import type { Channel, Listener } from './channel.ts'
import type { Clock } from '../clock.ts'
import type { Budget } from './credit.ts'
import { createSession } from './session.ts'
import type { PeerReport, SessionAction, SessionEvent } from './session-event.ts'
import type { LinksOf } from './walk.ts'

export interface FetchComponents {
  readonly blockstore: Blockstore
  readonly links: LinksOf
  readonly clock: Clock
  readonly budget: Budget
  /** Gets the memory of stored leaves back. */
  readonly buffers: Pick<Buffers, 'give'>
  readonly nextId: () => number
  /** Rejects with a `DeltaswarmError` when the peer cannot be reached or is banned. */
  readonly open: (peer: string) => Promise<Channel>
  readonly ban: (peer: string, error: DeltaswarmError) => void
  readonly onReceived: (peer: string, bytes: number) => void
}

export interface FetchOptions {
  /**
   * Judges the root and each index node before it is stored and before any leaf is asked for; what
   * it throws ends the fetch.
   */
  readonly admit?: (cid: CID, bytes: Uint8Array, kind: 'root' | 'index') => void | Promise<void>
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: FetchProgress) => void
}

export interface FetchProgress {
  /** Blocks of the DAG known so far, and those of them that the store holds. */
  readonly known: number
  readonly held: number
  /** Verified blocks and bytes that peers sent in this fetch. */
  readonly blocks: number
  readonly bytes: number
  /** Why nothing has come for a while. */
  readonly stalled?: string
}

export interface FetchReport {
  /** Verified blocks and bytes that peers sent; what the store had is not among them. */
  readonly blocks: number
  readonly bytes: number
  /** Blocks that came more than once. */
  readonly duplicates: number
  readonly seconds: number
  readonly peers: readonly PeerReport[]
}

type Admit = Extract<SessionAction, { type: 'admit' }>
type Store = Extract<SessionAction, { type: 'store' }>

/** How often a fetch looks at the time. */
const TICK_MS = 250

/** Drives one session: carries out its actions on the store and on channels to `peers`. */
export function runFetch(
  root: CID,
  peers: readonly string[],
  components: FetchComponents,
  { admit, signal, onProgress }: FetchOptions,
): Promise<FetchReport> {
  const { blockstore, clock, budget, links, nextId } = components
  const session = createSession(root, { links, budget, expected: peers.length, nextId })
  const channels = new Map<string, { readonly channel: Channel; heard: number }>()
  const { promise, resolve, reject } = Promise.withResolvers<FetchReport>()
  const startedAt = clock.now()
  const events: SessionEvent[] = []
  let driving = false
  let ended = false
  let cancelTick: (() => void) | undefined

  const listener: Listener = {
    hear(peer, response) {
      if (response.type === 'block') components.onReceived(peer, response.bytes.length)
      drive({ ...response, peer })
    },
    openBlocks: (id) => session.openBlocks(id),
    gone(peer, error) {
      channels.delete(peer)
      drive({ type: 'providerGone', peer, error })
    },
  }
  const onAbort = (): void => fail(signal?.reason)

  if (signal?.aborted === true) {
    onAbort()
    return promise
  }
  signal?.addEventListener('abort', onAbort)
  drive({ type: 'start' })
  for (const peer of peers) void connect(peer)
  tick()
  return promise

  /** Actions may cause events; they wait until the actions before them are done. */
  function drive(event: SessionEvent): void {
    events.push(event)
    if (driving) return
    driving = true
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      for (const action of session.handle(next, clock.now())) perform(action)
      if (next.type === 'stored' && !ended) report()
    }
    driving = false
  }

  function perform(action: SessionAction): void {
    switch (action.type) {
      case 'look':
        return answer(look(action.cid, action.leaf))
      case 'admit':
        return answer(judge(action))
      case 'store':
        return answer(store(action))
      case 'want':
        return channels.get(action.peer)?.channel.want(listener, { ...action, root })
      case 'cancel':
        return channels.get(action.peer)?.channel.cancel(action.id)
      case 'dropPeer':
        channels.delete(action.peer)
        return components.ban(action.peer, action.error)
      case 'stalled':
        return report(action.reason)
      case 'failed':
        return fail(action.error)
      case 'done': {
        const { blocks, bytes, duplicates, peers } = session.progress
        report()
        finish()
        const seconds = (clock.now() - startedAt) / 1000
        return resolve({ blocks, bytes, duplicates, seconds, peers })
      }
    }
  }

  function answer(event: Promise<SessionEvent>): void {
    event.then(drive, fail)
  }

  async function look(cid: CID, leaf: boolean): Promise<SessionEvent> {
    if (leaf) return { type: (await blockstore.has(cid)) ? 'found' : 'missing', cid }
    const bytes = await blockstore.get(cid)
    return bytes === undefined ? { type: 'missing', cid } : { type: 'found', cid, bytes }
  }

  async function judge({ cid, bytes, kind }: Admit): Promise<SessionEvent> {
    await admit?.(cid, bytes, kind)
    return { type: 'admitted', cid }
  }

  async function store({ cid, bytes }: Store): Promise<SessionEvent> {
    await blockstore.put(cid, bytes)
    // What a node decodes to may still look into its bytes.
    if (cid.code === RAW) components.buffers.give(bytes)
    return { type: 'stored', cid }
  }

  async function connect(peer: string): Promise<void> {
    try {
      const channel = await components.open(peer)
      if (ended) return
      channels.set(peer, { channel, heard: channel.bytesIn })
      channel.join(listener)
      drive({ type: 'providerAdded', peer, allowance: channel.allowance })
      if (peers.length > 1) drive({ ...(await channel.have(root)), peer })
    } catch (error) {
      // An unanswered `have?` costs nothing but a few `dont`.
      if (channels.has(peer)) return
      drive({ type: 'providerGone', peer, error: unreachable(peer, error) })
    }
  }

  function tick(): void {
    for (const [peer, state] of channels) {
      if (state.heard !== state.channel.bytesIn) drive({ type: 'heard', peer })
      state.heard = state.channel.bytesIn
    }
    drive({ type: 'tick' })
    if (!ended) cancelTick = clock.after(TICK_MS, tick)
  }

  function report(stalled?: string): void {
    if (onProgress === undefined) return
    const { known, held, blocks, bytes } = session.progress
    onProgress({ known, held, blocks, bytes, ...(stalled !== undefined && { stalled }) })
  }

  function fail(reason: unknown): void {
    if (ended) return
    finish()
    reject(reason as Error)
  }

  function finish(): void {
    ended = true
    cancelTick?.()
    signal?.removeEventListener('abort', onAbort)
    const open = session.close()
    for (const [peer, { channel }] of channels) {
      const mine = open.filter((want) => want.peer === peer)
      for (const { id } of mine) channel.cancel(id)
      channel.leave(listener, mine)
    }
    channels.clear()
  }
}

function unreachable(peer: string, cause: unknown): DeltaswarmError {
  if (cause instanceof DeltaswarmError) return cause
  return new NetworkError('E_UNREACHABLE', `${peer} cannot be reached`, { cause })
}
