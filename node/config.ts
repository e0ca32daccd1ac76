import { availableParallelism, homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { InvalidInputError } from '../src/index.ts'

/** What a user may wish for; `auto` takes a device that is worth it, and else the CPU. */
export const deviceWishes = ['auto', 'cpu', 'webgpu', 'cuda'] as const

export type DeviceWish = (typeof deviceWishes)[number]

/**
 * Every setting of a node with its default. A flag wins over the environment, the environment over
 * the default, and an empty variable is none; this is the only file that reads the environment.
 */
export interface Config {
  /** Everything a node keeps: keys, store, socket. */
  readonly home: string
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** Multiaddrs of peers to stay connected to. */
  readonly peers: readonly string[]
  /** Threads that the kernels may share a call among, and that onnxruntime may use for a run. */
  readonly threads: number
  /** Where variants are measured. */
  readonly device: DeviceWish
}

export const configDefaults = {
  /** Loopback unless told otherwise: nobody shares a fine-tune with a network by accident. */
  listen: ['/ip4/127.0.0.1/tcp/0'],
  peers: [],
  /**
   * All cores that this process may use: threads start with the first long call, sleep without
   * work, and change no result. More than eight wait for memory.
   */
  threads: Math.min(availableParallelism(), 8),
  /** A device that is right and worth it, and the CPU where there is none. */
  device: 'auto',
} as const

export interface ConfigFlags {
  readonly home?: string
  readonly listen?: readonly string[]
  readonly peers?: readonly string[]
  readonly threads?: number
  readonly device?: string
}

/**
 * Throws `InvalidInputError` `E_DEVICE_NAME` for a device that nobody knows and `E_THREADS` for a
 * number of threads that is none.
 */
export function readConfig(flags: ConfigFlags = {}, env: NodeJS.ProcessEnv = process.env): Config {
  return {
    home: resolve(flags.home ?? (env['DELTASWARM_HOME'] || defaultHome(env))),
    listen: flags.listen ?? list(env['DELTASWARM_LISTEN']) ?? configDefaults.listen,
    peers: flags.peers ?? list(env['DELTASWARM_PEERS']) ?? configDefaults.peers,
    threads: flags.threads ?? threadsIn(env) ?? configDefaults.threads,
    device: deviceWish(flags.device ?? (env['DELTASWARM_DEVICE'] || configDefaults.device)),
  }
}

/** The unix socket on which the daemon of a home answers. */
export function socketPath(config: Pick<Config, 'home'>): string {
  return join(config.home, 'api.sock')
}

/** Whether output may be coloured: `NO_COLOR` and dumb terminals say no. */
export function colourWanted(isTTY: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false
  return isTTY || (env['FORCE_COLOR'] ?? '') !== ''
}

/** The environment of a child node: its own settings in place of its parent's. */
export function childEnvironment(
  home: string,
  init: {
    readonly peers?: readonly string[]
    readonly threads?: number
    readonly env?: NodeJS.ProcessEnv
  } = {},
): NodeJS.ProcessEnv {
  const { peers = [], threads, env = process.env } = init
  return {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DELTASWARM_'))),
    DELTASWARM_HOME: home,
    ...(threads === undefined ? {} : { DELTASWARM_THREADS: String(threads) }),
    ...(peers.length === 0 ? {} : { DELTASWARM_PEERS: peers.join(',') }),
  }
}

function defaultHome(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'deltaswarm')
}

function list(value: string | undefined): readonly string[] | undefined {
  return value === undefined || value === '' ? undefined : value.split(',')
}

function deviceWish(name: string): DeviceWish {
  const wish = deviceWishes.find((wish) => wish === name)
  if (wish !== undefined) return wish
  throw new InvalidInputError('E_DEVICE_NAME', `there is no device '${name}'`, {
    expected: deviceWishes,
    actual: name,
    fix: `use one of ${deviceWishes.join(', ')}`,
  })
}

function threadsIn({ DELTASWARM_THREADS: value = '' }: NodeJS.ProcessEnv): number | undefined {
  if (value === '') return undefined
  const number = Number(value)
  if (Number.isInteger(number) && number > 0) return number
  throw new InvalidInputError('E_THREADS', 'DELTASWARM_THREADS is no number of threads', {
    expected: 'a whole number from 1 on',
    actual: value,
    fix: 'unset it to use all cores',
  })
}
