import type { Weights } from '../checkpoints/weights.ts'
import type { Kernels } from '../compute/kernels.ts'
import type { Runtime } from '../compute/onnxruntime.ts'
import { createDeviceMemory } from '../graphs/device-memory.ts'
import { checkWeights, type Model } from '../models/index.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { makeBatches, splitPasses } from './batches.ts'
import { type Measurement, passRuns, runLayerPass } from './layer-pass.ts'
import { prepareItem } from './prepared-item.ts'
import { createProgramSessions } from './sessions.ts'
import type { SuiteItem, SuiteRoot } from './suite.ts'

/**
 * Measures variants of one model on a suite, layer by layer: the weights of one layer of one
 * variant are loaded and all items run through it before the next are. Memory is the weights of two
 * parts (one runs while the next loads) and the hidden states of a pass, whatever the model's
 * depth. On WebGPU each weight is brought to the device once per part and variant, and the hidden
 * states come back after every part.
 */
export interface Evaluator {
  /**
   * Yields one measurement per shard and variant, shards in the given order. Items and weights are
   * checked before anything runs: throws `InvalidInputError` `E_BAD_ITEM` that names the item and
   * the value, and `IncompatibleError` `E_WEIGHTS_MISFIT`. Logits that are not finite give losses
   * that are not finite, never an error.
   */
  measure(
    model: Model,
    suite: MeasuredSuite,
    variants: readonly Weights[],
    options?: MeasureOptions,
  ): AsyncGenerator<Measurement, void, undefined>
  /** Releases the sessions; the runtime stays open. Call it when nothing is measured. */
  close(): Promise<void>
}

/** A suite, or as many of its shards as are wanted. */
export interface MeasuredSuite {
  readonly root: SuiteRoot
  readonly shards: readonly { readonly index: number; readonly items: readonly SuiteItem[] }[]
}

export interface MeasureOptions {
  /** Checked between runs. */
  readonly signal?: AbortSignal
  /** Runs of a graph: those begun, this one included, and those to come in all. */
  readonly onProgress?: (progress: { readonly run: number; readonly runs: number }) => void
}

export interface EvaluatorInit {
  /** Hidden states of all variants that are kept at a time; more shards make more passes. */
  readonly passBytes?: number
  /** Tokens of one run of a graph, unless one item has more. */
  readonly runTokens?: number
  /** Sessions that are kept between calls. */
  readonly sessions?: number
}

/**
 * `runTokens`: matrix products are at full speed from about 512 rows on, and more rows only make a
 * run's activations larger. `sessions`: three programs for each of 20 lengths of items.
 */
const evaluatorDefaults = {
  passBytes: 256 * 2 ** 20,
  runTokens: 1024,
  sessions: 60,
} as const satisfies Required<EvaluatorInit>

export function createEvaluator(
  { kernels, runtime }: { readonly kernels: Kernels; readonly runtime: Runtime },
  init: EvaluatorInit = {},
): Evaluator {
  const { passBytes, runTokens, sessions: kept } = { ...evaluatorDefaults, ...init }
  const sessions = createProgramSessions(runtime)
  const device = runtime.device === 'webgpu' ? createDeviceMemory(runtime) : undefined
  let measuring = 0

  return {
    async *measure(model, { root, shards }, variants, { signal, onProgress } = {}) {
      for (const { tensors } of variants) checkWeights(model, tensors)
      const prepared = shards.map(({ index, items }) => ({
        index,
        items: items.map((item, i) =>
          prepareItem(model, root, item, `item ${i} of shard ${index}`),
        ),
      }))
      const hidden = new Map<number, number>()
      const rowBytes = (tokens: number): number => {
        // Once per length: building a program is slow beside looking at an item.
        const known = hidden.get(tokens)
        const elements = known ?? elementsOf(model.parts(1, tokens)[0]!.program.output.shape)
        hidden.set(tokens, elements)
        return variants.length * 4 * elements
      }
      const passes = splitPasses(prepared, rowBytes, passBytes).map((shards) => ({
        kernels,
        sessions,
        device,
        variants,
        shards,
        batches: makeBatches(model, shards, runTokens),
        beforeRun,
      }))
      const runs = passes.reduce((runs, pass) => runs + passRuns(pass), 0)
      let run = 0
      function beforeRun(): void {
        signal?.throwIfAborted()
        onProgress?.({ run: ++run, runs })
      }

      measuring++
      try {
        for (const pass of passes) yield* await runLayerPass(pass)
      } finally {
        measuring--
        if (measuring === 0) await sessions.trim(kept)
      }
    },
    async close() {
      await sessions.trim(0)
      await device?.close()
    },
  }
}
