import {
  type CID,
  type DeltaswarmError,
  NetworkError,
  NotFoundError,
  VerificationError,
} from '../../src/index.ts'
import type { Provider } from './ledger.ts'
import type { Walk } from './walk.ts'

/** A provider that was named and never could be asked. */
export interface Unreached {
  readonly peer: string
  readonly error: DeltaswarmError
}

type Providers = ReadonlyMap<string, Provider>

/** Why none of the providers can help any more, or `undefined` while one may. */
export function shortage(
  walk: Walk,
  providers: Providers,
  unreached: readonly Unreached[],
): DeltaswarmError | undefined {
  const left = [...providers.values()].filter(({ dropped }) => dropped === undefined)
  if (left.length === 0) return noProvider(walk.root.cid, providers, unreached)
  if (left.some(({ lacks }) => lacks.size === 0)) return undefined
  for (const block of walk.needed()) {
    if (left.every(({ lacks }) => lacks.has(block))) return notFound(block.cid, left.length)
  }
  return undefined
}

/** What each provider is doing, for people who wait. */
export function describeProviders(
  providers: Providers,
  unreached: readonly Unreached[],
  now: number,
): string {
  const reasons = [...providers.values()].map((provider) => standing(provider, now))
  for (const { peer, error } of unreached) reasons.push(`${peer} not reached (${error.id})`)
  return reasons.length === 0 ? 'no provider is connected' : reasons.join('; ')
}

export function standstill(ms: number, reason: string): NetworkError {
  return new NetworkError('E_STALLED', `no block came for ${Math.round(ms / 1000)} s: ${reason}`, {
    fix: 'try again; what was fetched is kept',
  })
}

function standing({ peer, dropped, restsUntil, restReason, heardAt }: Provider, now: number) {
  if (dropped !== undefined) return `${peer} left (${dropped.id})`
  if (now < restsUntil) return `${peer} ${restReason}`
  return `${peer} sent nothing for ${Math.round((now - heardAt) / 1000)} s`
}

function noProvider(
  root: CID,
  providers: Providers,
  unreached: readonly Unreached[],
): DeltaswarmError {
  const errors = [...providers.values(), ...unreached].map((each) => {
    return 'error' in each ? each.error : each.dropped
  })
  const wrong = errors.find((error) => error instanceof VerificationError)
  if (wrong !== undefined) return wrong
  const reasons = describeProviders(providers, unreached, 0)
  return new NotFoundError('E_NO_PROVIDER', `no provider of ${root.toString()}: ${reasons}`, {
    fix: 'name another peer that has it',
    cause: errors.at(-1),
  })
}

function notFound(cid: CID, peers: number): NotFoundError {
  return new NotFoundError('E_BLOCK_NOT_FOUND', `no provider has the block ${cid.toString()}`, {
    details: { cid: cid.toString(), asked: peers },
    fix: 'name another peer that has it',
  })
}
