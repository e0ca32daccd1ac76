import { readFileSync } from 'node:fs'
import { openSafetensors, type OpenCheckpoint } from '../../src/checkpoints/files.ts'
import { type Weights, weightsOf } from '../../src/checkpoints/weights.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { openRuntime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import {
  createEvaluator,
  type EvaluatorInit,
  type MeasuredSuite,
} from '../../src/evaluation/evaluate.ts'
import { itemsOfPrepared } from '../../src/evaluation/prepared.ts'
import { SHARD_ITEMS, type SuiteItem, type SuiteRoot } from '../../src/evaluation/suite.ts'
import { loadArchitectures, type Model, readModel } from '../../src/models/index.ts'

/** An evaluator with what it runs on, and the files that it reads; `close` ends them all. */
export async function openEvaluation(init: EvaluatorInit = {}) {
  const kernels: Kernels = openKernels()
  const runtime = await openRuntime(kernels)
  const evaluator = createEvaluator({ kernels, runtime }, init)
  const files: OpenCheckpoint[] = []
  const open = async (path: string): Promise<OpenCheckpoint> => {
    const file = await openSafetensors(path)
    files.push(file)
    return file
  }
  return {
    kernels,
    evaluator,
    open,
    weights: async (path: string): Promise<Weights> => weightsOf(await open(path), kernels),
    async close() {
      await evaluator.close()
      await runtime.close()
      await Promise.all(files.map((file) => file.close()))
    },
    /** Losses and correct items of each variant, in the order of the suite's items. */
    async measure(model: Model, suite: MeasuredSuite, variants: readonly Weights[]) {
      const measured = variants.map(() => ({ losses: [] as number[], correct: [] as number[] }))
      for await (const { variant, losses, correct } of evaluator.measure(model, suite, variants)) {
        measured[variant]!.losses.push(...losses)
        measured[variant]!.correct.push(...correct)
      }
      return measured
    },
  }
}

export async function modelOf(configPath: string): Promise<Model> {
  return readModel(await loadArchitectures(), JSON.parse(readFileSync(configPath, 'utf8')))
}

/** Prepared files as a suite with one task per file; pixels are normalised by ½ and ½. */
export async function suiteOfFiles(files: readonly OpenCheckpoint[]): Promise<MeasuredSuite> {
  const prepared = await Promise.all(
    files.map((file, task) => itemsOfPrepared(file, file.metadata, { name: `task ${task}`, task })),
  )
  const { modality, image } = prepared[0]!
  return suiteOf(
    {
      modality,
      tasks: prepared.map(({ task }) => task),
      ...(image && { image: { ...image, mean: 0.5, deviation: 0.5 } }),
    },
    prepared.flatMap(({ items }) => items),
  )
}

export function suiteOf(
  root: Pick<SuiteRoot, 'modality' | 'tasks' | 'image'>,
  items: readonly SuiteItem[],
): MeasuredSuite {
  const shards = Array.from({ length: Math.ceil(items.length / SHARD_ITEMS) }, (_, index) => ({
    index,
    items: items.slice(index * SHARD_ITEMS, (index + 1) * SHARD_ITEMS),
  }))
  const rest = { name: 'test', metric: 'loss', targets: 0, shards: [], licence: 'none' } as const
  return { root: { version: 1, kind: 'suite', items: items.length, ...rest, ...root }, shards }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
