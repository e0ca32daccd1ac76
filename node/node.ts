import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdOf, publicNetworkId } from '../protocol/index.ts'
import { type Author, createAuthor } from './author.ts'
import { type Bases, createBases } from './bases.ts'
import type { Config } from './config.ts'
import { createEngine, type Engine } from './engine.ts'
import { loadIdentity } from './identity.ts'
import { createLibrary, type Library } from './library.ts'
import { type Network, startNetwork, wallClock } from './network/network.ts'
import { openStore, type Store } from './storage/store.ts'
import { createSuites, type Suites } from './suites.ts'

/** Everything that a running node is made of; the place where the parts are put together. */
export interface SwarmNode extends AsyncDisposable {
  readonly config: Config
  readonly key: Ed25519PrivateKey
  /** Its peer id. */
  readonly peer: string
  readonly engine: Engine
  readonly store: Store
  readonly bases: Bases
  readonly library: Library
  readonly suites: Suites
  readonly author: Author
  /** Its connections, where there are any now. */
  readonly network: Network | undefined
  /** Connects where the node may and has not yet; `undefined` where it works on its store alone. */
  connect(): Promise<Network | undefined>
  stop(): Promise<void>
}

export interface NodeInit {
  /** Whether it connects to peers: at once, when something is missing here, or never. */
  readonly online: 'now' | 'when needed' | 'never'
  /** 32 bytes that name the network. @default the public network */
  readonly networkId?: Uint8Array
  readonly now?: () => number
  /** Imported in place of onnxruntime-node. */
  readonly runtimeModule?: string
}

/**
 * Opens the node of a home folder, making its key and store when there are none. Rejects with
 * `EnvironmentError` `E_STORE_LOCKED` when another process has it, `E_PORT_IN_USE` or `E_LISTEN`,
 * and with `InvalidInputError` `E_ADDRESS` for what is no multiaddr.
 */
export async function createNode(config: Config, init: NodeInit): Promise<SwarmNode> {
  const networkId = init.networkId ?? publicNetworkId
  const key = await loadIdentity(config.home)
  const { runtimeModule } = init
  const engine = await createEngine({
    threads: config.threads,
    device: config.device,
    runtimeModule,
  })
  const store = await openStore(config.home, networkId)
  const bases = createBases(store.bases, engine.kernels)
  let network: Network | undefined
  let starting: Promise<Network> | undefined
  const stop = (): Promise<void> =>
    inTurn(
      async () => (await starting?.catch(() => undefined))?.stop(),
      () => engine.close(),
      () => bases.close(),
      () => store.close(),
    )
  const start = async (): Promise<Network> => {
    const { listen, peers } = config
    const clock = { ...wallClock, now: init.now ?? wallClock.now }
    network = await startNetwork({ key, store, clock }, { networkId, listen, peers })
    return network
  }
  const connect = async (): Promise<Network | undefined> =>
    init.online === 'never' ? undefined : (starting ??= start())
  try {
    if (init.online === 'now') await connect()
  } catch (error) {
    await stop()
    throw error
  }
  const library = createLibrary({ store, bases, engine, connect })
  let stopped: Promise<void> | undefined
  const stopOnce = (): Promise<void> => (stopped ??= stop())
  return {
    config,
    key,
    peer: peerIdOf(key.publicKey.raw),
    engine,
    store,
    bases,
    library,
    suites: createSuites({ store, library }),
    author: createAuthor(
      { key, store, network: () => network },
      {
        networkId,
        ...(init.now === undefined ? {} : { now: init.now }),
      },
    ),
    get network() {
      return network
    },
    connect,
    stop: stopOnce,
    [Symbol.asyncDispose]: stopOnce,
  }
}

/** Runs one after the other, also after one that fails; rejects with the first failure. */
async function inTurn(...steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) await step().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
