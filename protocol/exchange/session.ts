import { type CID, type DeltaswarmError, LimitError, MalformedError } from '../../src/index.ts'
import { verifyBlock } from '../block.ts'
import type { Budget } from './credit.ts'
import { createLedger, createProvider, type Provider } from './ledger.ts'
import { FETCH_GIVE_UP_MS, FETCH_STALLED_MS, MAX_CHOKE_MS, PEER_SILENCE_MS } from '../limits.ts'
import type {
  BlockAnswer,
  PeerAnswer,
  PeerReport,
  SessionAction,
  SessionEvent,
  SessionProgress,
} from './session-event.ts'
import { describeProviders, shortage, standstill, type Unreached } from './shortage.ts'
import { createWalk, type LinksOf, type WalkedBlock } from './walk.ts'

export interface SessionInit {
  readonly links: LinksOf
  /** Bytes in flight over all peers and sessions. */
  readonly budget: Budget
  /** Providers that will be reported by `providerAdded` or `providerGone`. */
  readonly expected: number
  /** Ids of wants, unique on every stream. */
  readonly nextId: () => number
}

/**
 * The fetch of one DAG as a state machine: events in, actions out, no stream, no clock, no store.
 * It walks root → nodes → leaves, asks providers for what the store lacks, within their credits,
 * and uses no byte before its hash is checked. Whoever drives it carries out every action, in
 * order, and reports what came of it.
 */
export interface Session {
  handle(event: SessionEvent, now: number): readonly SessionAction[]
  /** Blocks of a want that may still come. */
  openBlocks(id: number): number
  /** Ends the session and gives its credits back; returns the wants that are still open. */
  close(): readonly { readonly peer: string; readonly id: number; readonly open: number }[]
  readonly progress: SessionProgress
}

export function createSession(root: CID, init: SessionInit): Session {
  const walk = createWalk(root, init.links)
  const ledger = createLedger(walk, init.budget, init.nextId)
  const providers = new Map<string, Provider>()
  const unreached: Unreached[] = []
  /** Nodes that wait to be admitted, and whether a peer sent them. */
  const judged = new Map<WalkedBlock, { readonly bytes: Uint8Array; readonly fetched: boolean }>()
  const total = { blocks: 0, bytes: 0, duplicates: 0 }
  let actions: SessionAction[] = []
  let now = 0
  let progressAt = 0
  let stalled = false
  let ended = false

  function handle(event: SessionEvent, at: number): readonly SessionAction[] {
    if (ended) return []
    actions = []
    now = at
    try {
      apply(event)
      pump()
      conclude()
    } catch (error) {
      if (!(error instanceof MalformedError || error instanceof LimitError)) throw error
      end({ type: 'failed', error })
    }
    return actions
  }

  function apply(event: SessionEvent): void {
    switch (event.type) {
      case 'start':
        progressAt = now
        actions.push({ type: 'look', cid: root, leaf: walk.root.leaf })
        return
      case 'tick':
        for (const provider of providers.values()) checkSilence(provider)
        return
      case 'providerAdded':
        providers.set(event.peer, createProvider(event.peer, event.allowance, now))
        return
      case 'providerGone': {
        const provider = providers.get(event.peer)
        if (provider === undefined) unreached.push(event)
        else leave(provider, event.error)
        return
      }
      case 'found':
      case 'missing':
      case 'admitted':
      case 'stored': {
        const block = walk.get(event.cid)
        if (block !== undefined) advance(block, event)
        return
      }
      default: {
        const provider = providers.get(event.peer)
        if (provider !== undefined && provider.dropped === undefined) hear(provider, event)
      }
    }
  }

  /** The store or the caller answered: the block moves on. */
  function advance(block: WalkedBlock, event: BlockAnswer): void {
    progressAt = now
    if (event.type === 'missing') {
      walk.move(block, 'needed')
    } else if (event.type === 'stored') {
      ledger.settle(block)
      walk.move(block, 'held')
    } else if (event.type === 'found') {
      if (event.bytes === undefined) walk.move(block, 'held')
      else judge(block, event.bytes, false)
    } else {
      const { bytes, fetched } = judged.get(block)!
      judged.delete(block)
      for (const { cid, leaf } of walk.expand(block, bytes)) {
        actions.push({ type: 'look', cid, leaf })
      }
      for (const provider of present()) markLacking(provider)
      if (fetched) store(block, bytes)
      else walk.move(block, 'held')
    }
  }

  function judge(block: WalkedBlock, bytes: Uint8Array, fetched: boolean): void {
    walk.move(block, 'admitting')
    judged.set(block, { bytes, fetched })
    const kind = block === walk.root ? 'root' : 'index'
    actions.push({ type: 'admit', cid: block.cid, bytes, kind })
  }

  function store(block: WalkedBlock, bytes: Uint8Array): void {
    walk.move(block, 'storing')
    actions.push({ type: 'store', cid: block.cid, bytes })
  }

  function hear(provider: Provider, event: PeerAnswer): void {
    provider.heardAt = now
    if (event.type === 'block') {
      receive(provider, event.id, event.i, event.bytes)
    } else if (event.type === 'dont') {
      for (const i of event.i) refuse(provider, event.id, i)
    } else if (event.type === 'have') {
      provider.have = event
      markLacking(provider)
    } else if (event.type === 'choke') {
      ledger.takeBack(provider)
      rest(provider, Math.min(event.retryAfter, MAX_CHOKE_MS), `choked us (${event.reason})`)
    }
  }

  function receive(provider: Provider, id: number, i: number, bytes: Uint8Array): void {
    const found = ledger.find(provider, id, i)
    if (found === undefined) return drop(provider, unasked())
    const { want, block } = found
    try {
      verifyBlock(block.cid, bytes)
    } catch (error) {
      return drop(provider, error as DeltaswarmError)
    }
    checkLength(block, bytes)
    const useful = block.state === 'needed' || block.state === 'asked'
    ledger.answer(want, i, useful)
    if (!useful) {
      total.duplicates += 1
      return
    }
    provider.blocks += 1
    provider.bytes += bytes.length
    provider.allowance.credit.received(bytes.length, now)
    total.blocks += 1
    total.bytes += bytes.length
    progressAt = now
    stalled = false
    if (block.leaf) store(block, bytes)
    else judge(block, bytes, true)
  }

  function refuse(provider: Provider, id: number, i: number): void {
    const found = ledger.find(provider, id, i)
    if (found === undefined) return drop(provider, unasked())
    provider.lacks.add(found.block)
    ledger.answer(found.want, i, false)
  }

  /** A `have` tells more with every node that we come to know. */
  function markLacking({ have, lacks }: Provider): void {
    if (have === undefined) return
    for (const block of walk.lacking(have.count, have.bits)) lacks.add(block)
  }

  function checkSilence(provider: Provider): void {
    if (now - provider.heardAt < PEER_SILENCE_MS) return
    for (const { id } of ledger.takeBack(provider)) {
      actions.push({ type: 'cancel', peer: provider.peer, id })
      rest(provider, PEER_SILENCE_MS, 'is silent')
    }
    if (now < provider.restsUntil) provider.allowance.credit.late()
  }

  function rest(provider: Provider, ms: number, reason: string): void {
    provider.restsUntil = now + ms
    provider.restReason = reason
  }

  function drop(provider: Provider, error: DeltaswarmError): void {
    if (provider.dropped !== undefined) return
    leave(provider, error)
    actions.push({ type: 'dropPeer', peer: provider.peer, error })
  }

  function leave(provider: Provider, error: DeltaswarmError): void {
    if (provider.dropped !== undefined) return
    ledger.forget(provider)
    provider.dropped = error
  }

  /** Waits until the store has said what it lacks, so that requests are few and large. */
  function pump(): void {
    if (walk.counts.looking > 0) return
    for (const provider of present()) {
      if (now < provider.restsUntil) continue
      while (walk.counts.needed > 0) {
        const want = ledger.ask(provider, now)
        if (want === undefined) break
        actions.push({ type: 'want', peer: provider.peer, ...want })
      }
    }
  }

  function conclude(): void {
    const { asked, looking, admitting, storing, held } = walk.counts
    if (held === walk.size) return end({ type: 'done' })
    if (looking + admitting + storing > 0) return
    const named = providers.size + unreached.length
    const lost =
      asked === 0 && named >= init.expected ? shortage(walk, providers, unreached) : undefined
    if (lost !== undefined) return end({ type: 'failed', error: lost })
    const still = now - progressAt
    if (still < FETCH_STALLED_MS) return
    const reason = describeProviders(providers, unreached, now)
    if (still >= FETCH_GIVE_UP_MS) end({ type: 'failed', error: standstill(still, reason) })
    else if (!stalled) actions.push({ type: 'stalled', reason })
    stalled = true
  }

  function present(): Provider[] {
    return [...providers.values()].filter(({ dropped }) => dropped === undefined)
  }

  function end(action: Extract<SessionAction, { type: 'done' | 'failed' }>): void {
    ended = true
    actions.push(action)
  }

  return {
    handle,
    openBlocks: (id) => ledger.openBlocks(id),
    close() {
      ended = true
      const open = ledger.close().map(({ id, provider, open }) => {
        return { peer: provider.peer, id, open: open.size }
      })
      for (const provider of present()) ledger.forget(provider)
      return open
    },
    get progress() {
      const peers: PeerReport[] = []
      for (const { peer, blocks, bytes, dropped } of providers.values()) {
        peers.push({ peer, blocks, bytes, ...(dropped && { dropped: dropped.id }) })
      }
      for (const { peer, error } of unreached) {
        peers.push({ peer, blocks: 0, bytes: 0, dropped: error.id })
      }
      return { known: walk.size, held: walk.counts.held, ...total, peers }
    },
  }
}

/** A length that the naming block gets wrong would let a fetch run over its credit. */
function checkLength({ cid, size }: WalkedBlock, bytes: Uint8Array): void {
  if (size === undefined || size === bytes.length) return
  throw new MalformedError('E_BLOCK_LENGTH', `a node states a wrong length of ${cid.toString()}`, {
    expected: size,
    actual: bytes.length,
  })
}

function unasked(): MalformedError {
  return new MalformedError('E_UNASKED', 'the peer answered what was not asked')
}
