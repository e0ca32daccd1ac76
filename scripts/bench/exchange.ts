import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Fetched, Mode, Served } from './exchange-process.ts'

export interface ExchangeBenchOptions {
  /** Size of the DAG. @default 128 */
  readonly mib?: number
  /** Samples per mode, each in a fresh process. @default 5 */
  readonly samples?: number
  /**
   * The module and the name of a function that opens a durable store in a folder; without one, or
   * where the module does not exist, that mode is left out.
   * @default node/storage/blocks.ts, openBlocks
   */
  readonly store?: { readonly module: string; readonly name: string }
}

/** Buffers die young; a small young generation is what keeps the memory of a fetch below 200 MB. */
const execArgv = ['--max-semi-space-size=2']

const script = fileURLToPath(new URL('exchange-process.ts', import.meta.url))
const defaultStore = {
  module: fileURLToPath(new URL('../../node/storage/blocks.ts', import.meta.url)),
  name: 'openBlocks',
}

/**
 * Two processes over loopback TCP, noise and yamux: a bare stream that is hashed and discarded, the
 * exchange into a store that discards, and the exchange into a durable store. The modes take turns,
 * so that a slow moment of the machine hits all of them.
 */
export async function run(options: ExchangeBenchOptions = {}): Promise<object> {
  const { mib = 128, samples = 5, store = defaultStore } = options
  const modes: Mode[] = existsSync(store.module) ? ['bare', 'null', 'durable'] : ['bare', 'null']
  const server = fork(script, ['serve', String(mib)])
  try {
    const { address, root } = await message<Served>(server)
    const results: Record<string, Fetched[]> = {}
    for (let i = 0; i < samples; i++) {
      for (const mode of modes) {
        const args = ['fetch', mode, address, root, store.module, store.name]
        ;(results[mode] ??= []).push(await message<Fetched>(fork(script, args, { execArgv })))
      }
    }
    return { mib, samples, ...summary(results) }
  } finally {
    server.kill()
  }
}

function summary(results: Readonly<Record<string, readonly Fetched[]>>): object {
  const modes = Object.entries(results).map(([mode, samples]) => {
    const rates = samples.map(({ bytes, seconds }) => bytes / 2 ** 20 / seconds)
    return {
      mode,
      mibPerSecond: median(rates),
      peakRssMib: Math.max(...samples.map(({ maxRssMib }) => maxRssMib)),
      cpuSeconds: median(samples.map(({ cpuSeconds }) => cpuSeconds)),
      rates,
    }
  })
  const bare = modes.find(({ mode }) => mode === 'bare')!.mibPerSecond
  const ratios = modes.map(({ mode, mibPerSecond }) => [mode, mibPerSecond / bare])
  return { nodeFlags: execArgv, modes, ratiosToBare: Object.fromEntries(ratios) as object }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

async function message<T>(child: ChildProcess): Promise<T> {
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`the process ended with code ${String(code)} before it answered`)
  })
  const [value] = (await Promise.race([once(child, 'message'), exit])) as [T]
  exit.catch(() => {})
  return value
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { mib: { type: 'string' }, samples: { type: 'string' } },
  })
  const result = await run({
    ...(values.mib !== undefined && { mib: Number(values.mib) }),
    ...(values.samples !== undefined && { samples: Number(values.samples) }),
  })
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
}
