import {
  type Architecture,
  type Codec,
  createEvaluator,
  type Evaluator,
  type Kernels,
  loadArchitectures,
  loadCodecs,
  loadOperators,
  loadStrategies,
  openKernels,
  openRuntime,
  type Operator,
  type Registry,
  type Runtime,
  type Strategy,
} from '../src/index.ts'

/** Everything that computes, made once per process. */
export interface Engine {
  readonly kernels: Kernels
  readonly codecs: Registry<Codec>
  readonly operators: Registry<Operator>
  readonly architectures: Registry<Architecture>
  readonly strategies: Registry<Strategy>
  /** Starts onnxruntime at the first call; rejects with `EnvironmentError` `E_ONNXRUNTIME`. */
  evaluator(): Promise<{ readonly evaluator: Evaluator; readonly runtime: Runtime }>
  close(): Promise<void>
}

export interface EngineInit {
  /** Threads of the kernels, and of a run of onnxruntime. */
  readonly threads: number
  /** Imported in place of onnxruntime-node. */
  readonly runtimeModule?: string | undefined
}

export async function createEngine({ threads, runtimeModule }: EngineInit): Promise<Engine> {
  const [codecs, operators, architectures, strategies] = await Promise.all([
    loadCodecs(),
    loadOperators(),
    loadArchitectures(),
    loadStrategies(),
  ])
  // Two sets of threads, which take turns: an evaluation prepares weights, then waits for a run. What
  // has no work sleeps, onnxruntime's threads too, so neither takes a core from the other.
  const kernels = openKernels({ threads })
  let started: Promise<{ evaluator: Evaluator; runtime: Runtime }> | undefined
  const start = async (): Promise<{ evaluator: Evaluator; runtime: Runtime }> => {
    const module = runtimeModule === undefined ? {} : { module: runtimeModule }
    const runtime = await openRuntime(kernels, { threads, ...module })
    return { runtime, evaluator: createEvaluator({ kernels, runtime }) }
  }
  return {
    kernels,
    codecs,
    operators,
    architectures,
    strategies,
    evaluator() {
      // A failed start is not remembered: the next job tries again.
      started ??= start().catch((error: unknown) => {
        started = undefined
        throw error
      })
      return started
    },
    async close() {
      const running = await started?.catch(() => undefined)
      await running?.evaluator.close()
      await running?.runtime.close()
      await kernels.close()
    },
  }
}
