import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure } from './child.ts'
import { type Bench, type BenchOptions, type Figure, memoryFigure, speedFigure } from './figure.ts'
import { type MergeName, type MergeRun, merges } from './merge-process.ts'
import { llamaSpecs, parametersOf, writeModels } from './models.ts'

/** Times the speed of the baseline, at least. */
const TARGETS: Readonly<Record<MergeName, number>> = {
  'task arithmetic': 0.6,
  'TIES, each tensor trimmed': 0.5,
  'TIES, all tensors trimmed together': 0.3,
  'DARE-TIES': 0.35,
}

/** At any model size. */
const PEAK_RSS_MB = 200

/**
 * Merges three fine-tunes over a base, from folders into a folder. The baseline and the merges take
 * turns, each in a process of its own, on files that the system has in memory. Before each the
 * baseline runs once unmeasured: where a virtual machine gives free memory back to its host, a file
 * written after a pause costs up to three times as much as one written to memory that was just freed.
 */
export async function run({ quick }: BenchOptions): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-bench-'))
  try {
    const specs = llamaSpecs(quick)
    const models = await writeModels(folder, specs, ['a', 'b', 'c'])
    const runOne = async (name: string): Promise<MergeRun> => {
      const target = join(folder, 'out')
      const one = await measure<MergeRun>('merge-process.ts', [name, target, ...models])
      await rm(target, { recursive: true })
      return one
    }
    const names = Object.keys(merges) as MergeName[]
    const runs = new Map<string, MergeRun[]>()
    for (let i = 0; i < (quick ? 2 : 5); i++) {
      for (const name of ['baseline', ...names]) {
        await runOne('baseline')
        runs.set(name, [...(runs.get(name) ?? []), await runOne(name)])
      }
    }
    return {
      note:
        `3 fine-tunes over a base of LLaMA's layout, ${millions(parametersOf(specs))} parameters ` +
        'each in bf16, made up, in the page cache. The baseline reads all four models once, writes ' +
        'as many bytes as the merge does, syncs the file, and takes the sha256 of the written ' +
        'bytes, one after the other on one thread; the merges do the same besides their arithmetic.',
      figures: [
        ...names.map((name) => figure(name, runs.get(name)!, runs.get('baseline')!)),
        memory('baseline', runs.get('baseline')!),
        ...names.map((name) => memory(name, runs.get(name)!, PEAK_RSS_MB)),
      ],
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function figure(name: MergeName, own: readonly MergeRun[], baseline: readonly MergeRun[]): Figure {
  const seconds = (runs: readonly MergeRun[]): number[] => runs.map((one) => one.seconds)
  return {
    ...speedFigure(name, seconds(own), seconds(baseline), TARGETS[name]),
    cpuSeconds: own.map((one) => one.cpuSeconds),
    baselineCpuSeconds: baseline.map((one) => one.cpuSeconds),
    bytesRead: own[0]!.bytesRead,
  }
}

function memory(name: string, runs: readonly MergeRun[], atMost?: number): Figure {
  const peaks = runs.map((one) => one.peakRssMb)
  return memoryFigure(`peak RSS, ${name}`, peaks, atMost)
}

function millions(count: number): string {
  return `${Math.round(count / 1e6)} million`
}
