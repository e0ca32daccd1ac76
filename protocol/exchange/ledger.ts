import type { CID, DeltaswarmError } from '../../src/index.ts'
import type { Allowance, Budget } from './credit.ts'
import { MAX_BLOCK_BYTES, MAX_QUEUED_BLOCKS, MAX_WANT_BLOCKS } from '../limits.ts'
import { expectedBytes, type Walk, type WalkedBlock } from './walk.ts'

/** A peer that may have blocks, as one fetch sees it. */
export interface Provider {
  readonly peer: string
  readonly allowance: Allowance
  readonly lacks: Set<WalkedBlock>
  /** What it said it holds. */
  have?: { readonly count: number; readonly bits: Uint8Array }
  /** Bytes that this fetch asked of it and that are not stored. */
  inFlight: number
  blocks: number
  bytes: number
  heardAt: number
  restsUntil: number
  restReason: string
  /** Why it was left. */
  dropped?: DeltaswarmError
}

export interface Want {
  readonly id: number
  readonly provider: Provider
  /** By its index, what has not been answered. */
  readonly open: Map<number, WalkedBlock>
  /** Taken back: what still comes of it is used but not counted on. */
  void: boolean
}

/** What one fetch asked of whom, and the credits that this takes. */
export interface Ledger {
  /** Asks `provider` for as much as its credit has room for, in few large requests. */
  ask(provider: Provider, now: number): { id: number; blocks: CID[] } | undefined
  /** The open want that an answer belongs to, and its block. */
  find(provider: Provider, id: number, i: number): { want: Want; block: WalkedBlock } | undefined
  /**
   * Strikes one block off. A block that is `kept` holds its credit until `settle`; any other is
   * needed again unless it came meanwhile.
   */
  answer(want: Want, i: number, kept: boolean): void
  /** Gives the credit of a stored block back. */
  settle(block: WalkedBlock): void
  /** Counts no longer on what a provider owes us; returns the wants concerned. */
  takeBack(provider: Provider): readonly Want[]
  /** Forgets a provider's wants altogether: its stream is gone. */
  forget(provider: Provider): void
  /** Gives every credit back and returns what may still come. */
  close(): readonly Want[]
  openBlocks(id: number): number
}

export function createProvider(peer: string, allowance: Allowance, now: number): Provider {
  allowance.fetches += 1
  return {
    peer,
    allowance,
    lacks: new Set(),
    inFlight: 0,
    blocks: 0,
    bytes: 0,
    heardAt: now,
    restsUntil: 0,
    restReason: '',
  }
}

/** `budget` holds the bytes in flight of all fetches; `nextId` never gives an id twice. */
export function createLedger(walk: Walk, budget: Budget, nextId: () => number): Ledger {
  const wants = new Map<number, Want>()
  /** Blocks that came and are not stored yet. */
  const kept = new Map<WalkedBlock, Provider>()

  function take(provider: Provider, block: WalkedBlock): void {
    const bytes = expectedBytes(block)
    provider.inFlight += bytes
    provider.allowance.credit.take(bytes)
    budget.take(bytes)
  }

  function give(provider: Provider, block: WalkedBlock): void {
    const bytes = expectedBytes(block)
    provider.inFlight -= bytes
    provider.allowance.credit.give(bytes)
    budget.give(bytes)
  }

  function release(provider: Provider, block: WalkedBlock): void {
    give(provider, block)
    if (block.state === 'asked') walk.move(block, 'needed')
  }

  function settle(block: WalkedBlock): void {
    const provider = kept.get(block)
    if (provider !== undefined) give(provider, block)
    kept.delete(block)
  }

  function takeBack(provider: Provider): Want[] {
    const open = [...wants.values()].filter((want) => want.provider === provider && !want.void)
    for (const want of open) {
      want.void = true
      provider.allowance.queue.give(want.open.size)
      for (const block of want.open.values()) release(provider, block)
    }
    return open
  }

  return {
    ask(provider, now) {
      const { credit, queue, requests, fetches } = provider.allowance
      const share = credit.limit / fetches
      const idle = provider.inFlight === 0
      if (!idle && provider.inFlight > share / 2) return undefined
      // A lone block always fits, so that a small share does not stop a fetch.
      const most = idle ? Math.max(share, MAX_BLOCK_BYTES) : share - provider.inFlight
      const blocks = pick(walk, provider, {
        bytes: Math.min(most, credit.free, budget.free),
        blocks: Math.min(MAX_WANT_BLOCKS, queue.free, Math.floor(MAX_QUEUED_BLOCKS / fetches)),
      })
      if (blocks.length === 0 || !requests.take(now)) return undefined
      if (idle) {
        provider.heardAt = now
        credit.begin(now)
      }
      const id = nextId()
      wants.set(id, { id, provider, open: new Map(blocks.entries()), void: false })
      queue.take(blocks.length)
      for (const block of blocks) {
        walk.move(block, 'asked')
        take(provider, block)
      }
      return { id, blocks: blocks.map(({ cid }) => cid) }
    },
    find(provider, id, i) {
      const want = wants.get(id)
      const block = want?.provider === provider ? want.open.get(i) : undefined
      return want === undefined || block === undefined ? undefined : { want, block }
    },
    answer(want, i, keep) {
      const block = want.open.get(i)!
      want.open.delete(i)
      if (want.open.size === 0) wants.delete(want.id)
      if (want.void) return
      want.provider.allowance.queue.give(1)
      if (keep) kept.set(block, want.provider)
      else release(want.provider, block)
    },
    settle,
    takeBack,
    forget(provider) {
      takeBack(provider)
      for (const want of wants.values()) if (want.provider === provider) wants.delete(want.id)
      provider.allowance.fetches -= 1
    },
    close() {
      const open = [...wants.values()]
      for (const { provider } of open) takeBack(provider)
      for (const block of kept.keys()) settle(block)
      return open
    },
    openBlocks: (id) => wants.get(id)?.open.size ?? 0,
  }
}

/** The next needed blocks that a provider may have and that fit. */
function pick(
  walk: Walk,
  provider: Provider,
  room: { readonly bytes: number; readonly blocks: number },
): WalkedBlock[] {
  const picked: WalkedBlock[] = []
  let { bytes } = room
  for (const block of walk.needed()) {
    if (picked.length >= room.blocks) break
    if (provider.lacks.has(block)) continue
    bytes -= expectedBytes(block)
    if (bytes < 0) break
    picked.push(block)
  }
  return picked
}
