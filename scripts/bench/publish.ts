import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure } from './child.ts'
import {
  type Bench,
  type BenchOptions,
  type Figure,
  median,
  memoryFigure,
  speedFigure,
} from './figure.ts'
import { llamaSpecs, parametersOf, writeModels } from './models.ts'
import type { PublishRun } from './publish-process.ts'

/** "Within three times": a third of the baseline's speed, at least. */
const TARGET = 1 / 3

/** Of the fine-tune's bytes, on one thread. */
const RAW_MB_PER_SECOND = { encode: 60, decode: 150 } as const

/**
 * Publishes the difference of two folders into a new store on disk: weights ids of both, comparison,
 * encoding, hashing, blocks made durable. The ways and the baseline take turns, each in a process of
 * its own, on files that the system has in memory.
 */
export async function run({ quick }: BenchOptions): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-bench-'))
  try {
    const specs = llamaSpecs(quick)
    const models = await writeModels(folder, specs, ['post'])
    const runs: Record<string, PublishRun[]> = {}
    for (let i = 0; i < (quick ? 2 : 5); i++) {
      for (const way of ['baseline', 'bitdelta', 'raw', 'encode', 'decode']) {
        const home = join(folder, 'home')
        const one = await measure<PublishRun>('publish-process.ts', [way, home, ...models])
        await rm(home, { recursive: true, force: true })
        ;(runs[way] ??= []).push(one)
      }
    }
    const bytes = 2 * parametersOf(specs)
    const published = ['bitdelta', 'raw'] as const
    return {
      note:
        `One fine-tune of a base of LLaMA's layout, ${Math.round(bytes / 2e6)} million parameters ` +
        'each in bf16, made up, in the page cache; into a new store on disk. The baseline reads ' +
        'both models once and takes their sha256.',
      figures: [
        ...published.map((way) => figure(way, runs[way]!, runs['baseline']!)),
        rawFigure('encode', bytes, runs['encode']!),
        rawFigure('decode', bytes, runs['decode']!),
        ...published.map((way) =>
          memoryFigure(
            `peak RSS, publish with ${way}`,
            runs[way]!.map(({ peakRssMb }) => peakRssMb),
          ),
        ),
      ],
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function figure(way: string, own: readonly PublishRun[], baseline: readonly PublishRun[]): Figure {
  const seconds = (runs: readonly PublishRun[]): number[] => runs.map((one) => one.seconds)
  const what = `publish with ${way}, ${own[0]!.bpw!.toFixed(2)} bits per weight`
  return {
    ...speedFigure(what, seconds(own), seconds(baseline), TARGET),
    cpuSeconds: own.map((one) => one.cpuSeconds),
    baselineCpuSeconds: baseline.map((one) => one.cpuSeconds),
  }
}

function rawFigure(
  way: keyof typeof RAW_MB_PER_SECOND,
  bytes: number,
  runs: readonly PublishRun[],
): Figure {
  const rates = runs.map(({ cpuSeconds }) => bytes / 1e6 / cpuSeconds)
  return {
    what: `raw ${way}, per second of one core`,
    value: median(rates),
    unit: 'MB/s',
    target: { is: 'at least', value: RAW_MB_PER_SECOND[way] },
    samples: rates,
    sampleUnit: 'MB/s',
  }
}
