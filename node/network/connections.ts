import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'

/**
 * libp2p's defaults let ten silent sockets block every inbound connection for ten seconds: few may
 * be pending, and each holds its place until the upgrade times out. More places, a shorter time,
 * and a cap per address keep an honest dial fast.
 */
export const connectionLimits = {
  /** A federation has tens of members, each with up to two connections. */
  maxConnections: 100,
  maxIncomingPendingConnections: 128,
  /** New connections per second from one address: sites behind one NAT, and tests on loopback. */
  inboundConnectionThreshold: 32,
  inboundUpgradeTimeout: 3_000,
} as const

/** Connections of one address that have not said who they are yet. */
const MAX_PENDING_PER_ADDRESS = 8

/** Refuses inbound connections of an address that has too many pending ones. */
export function createPendingGate(): ConnectionGater {
  const pending = new Map<string, number>()
  const waiting = new WeakMap<MultiaddrConnection, () => void>()
  return {
    denyInboundConnection(connection) {
      const address = hostOf(connection)
      const count = pending.get(address) ?? 0
      if (count >= MAX_PENDING_PER_ADDRESS) return true
      pending.set(address, count + 1)
      const release = (): void => {
        if (!waiting.delete(connection)) return
        const left = (pending.get(address) ?? 1) - 1
        if (left === 0) pending.delete(address)
        else pending.set(address, left)
      }
      waiting.set(connection, release)
      connection.addEventListener('close', release, { once: true })
      return false
    },
    denyInboundUpgradedConnection(_peer, connection) {
      waiting.get(connection)?.()
      return false
    },
  }
}

function hostOf({ remoteAddr }: MultiaddrConnection): string {
  return remoteAddr.toString().split('/').slice(0, 3).join('/')
}
