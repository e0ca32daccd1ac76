import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { answer, measure, start } from './child.ts'
import type { Fetched, Mode, Served } from './exchange-process.ts'
import { type Bench, type BenchOptions, type Figure, memoryFigure, rateFigure } from './figure.ts'

/** The durable store: a module and its function that opens one in a folder. */
const store = {
  module: fileURLToPath(new URL('../../node/storage/blocks.ts', import.meta.url)),
  name: 'openBlocks',
}

const ABOUT: Readonly<Record<Mode, string>> = {
  bare: 'a bare stream',
  null: 'fetch into a store that discards',
  durable: 'fetch into the durable store',
}

/** Of the bare stream's rate, at least. */
const TARGETS = { null: 0.8, durable: 0.65 } as const

/** At any size. */
const PEAK_RSS_MB = 200

const MIB = 2 ** 20

/**
 * Two processes over loopback TCP, noise and yamux: a bare stream that is hashed and discarded, the
 * exchange into a store that discards, and the exchange into a durable store. The modes take turns,
 * each time in a new process, so that a slow moment of the machine hits all of them.
 */
export async function run({ quick }: BenchOptions): Promise<Bench> {
  const [mib, samples] = quick ? [32, 2] : [256, 5]
  const modes: Mode[] = existsSync(store.module) ? ['bare', 'null', 'durable'] : ['bare', 'null']
  const server = start('exchange-process.ts', ['serve', String(mib)])
  try {
    const { address, root } = await answer<Served>(server)
    const fetched = new Map<Mode, Fetched[]>(modes.map((mode) => [mode, []]))
    for (let i = 0; i < samples; i++) {
      for (const mode of modes) {
        const args = ['fetch', mode, address, root, store.module, store.name]
        fetched.get(mode)!.push(await measure<Fetched>('exchange-process.ts', args))
      }
    }
    return {
      note:
        `${mib} MiB in leaves of 1 MiB between two processes over loopback: TCP, noise, yamux. The ` +
        'baseline is a bare libp2p stream whose bytes are hashed and discarded; the durable store ' +
        'is flushed to disk before the clock stops.',
      figures: [
        ...modes.flatMap((mode) => (mode === 'bare' ? [] : [rates(mode, fetched)])),
        ...modes.map((mode) => memory(mode, fetched)),
      ],
    }
  } finally {
    server.kill()
  }
}

function rates(
  mode: Exclude<Mode, 'bare'>,
  fetched: ReadonlyMap<Mode, readonly Fetched[]>,
): Figure {
  const of = (each: Mode): number[] =>
    fetched.get(each)!.map(({ bytes, seconds }) => bytes / MIB / seconds)
  const cpuOf = (each: Mode): number[] => fetched.get(each)!.map(({ cpuSeconds }) => cpuSeconds)
  return {
    ...rateFigure(ABOUT[mode], of(mode), of('bare'), 'MiB/s', TARGETS[mode]),
    cpuSeconds: cpuOf(mode),
    baselineCpuSeconds: cpuOf('bare'),
  }
}

function memory(mode: Mode, fetched: ReadonlyMap<Mode, readonly Fetched[]>): Figure {
  const peaks = fetched.get(mode)!.map(({ maxRssMib }) => (maxRssMib * MIB) / 1e6)
  return memoryFigure(`peak RSS, ${ABOUT[mode]}`, peaks, mode === 'bare' ? undefined : PEAK_RSS_MB)
}
