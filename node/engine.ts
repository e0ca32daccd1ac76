import {
  type Architecture,
  type Codec,
  createEvaluator,
  type Device,
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
import type { DeviceWish } from './config.ts'
import { chooseDevice, type DeviceChoice } from './devices/choose.ts'

/** Everything that computes, made once per process. */
export interface Engine {
  readonly kernels: Kernels
  readonly codecs: Registry<Codec>
  readonly operators: Registry<Operator>
  readonly architectures: Registry<Architecture>
  readonly strategies: Registry<Strategy>
  /** What was chosen for the node's own wish; `undefined` before anything was measured. */
  readonly device: DeviceChoice | undefined
  /**
   * Chooses a device and starts onnxruntime there at the first call; rejects with
   * `EnvironmentError` `E_ONNXRUNTIME`, or `E_DEVICE` when a device that was wished for does not
   * work.
   */
  evaluator(wish?: DeviceWish): Promise<RunningEvaluator>
  close(): Promise<void>
}

export interface RunningEvaluator {
  readonly evaluator: Evaluator
  readonly runtime: Runtime
  readonly device: DeviceChoice
}

export interface EngineInit {
  /** Threads of the kernels, and of a run of onnxruntime. */
  readonly threads: number
  /** Where variants are measured unless a job says otherwise. */
  readonly device: DeviceWish
  /** Imported in place of onnxruntime-node. */
  readonly runtimeModule?: string | undefined
}

export async function createEngine(init: EngineInit): Promise<Engine> {
  const { threads, device: ownWish, runtimeModule } = init
  const [codecs, operators, architectures, strategies] = await Promise.all([
    loadCodecs(),
    loadOperators(),
    loadArchitectures(),
    loadStrategies(),
  ])
  // Two sets of threads, which take turns: an evaluation prepares weights, then waits for a run.
  // What has no work sleeps, onnxruntime's threads too, so neither takes a core from the other.
  const kernels = openKernels({ threads })
  type Running = Omit<RunningEvaluator, 'device'>
  const started = new Map<Device, Promise<Running>>()
  let chosen: DeviceChoice | undefined

  async function start(device: Device): Promise<Running> {
    const module = runtimeModule === undefined ? {} : { module: runtimeModule }
    const runtime = await openRuntime(kernels, { threads, device, ...module })
    return { runtime, evaluator: createEvaluator({ kernels, runtime }) }
  }

  function running(device: Device): Promise<Running> {
    const known = started.get(device) ?? start(device)
    started.set(device, known)
    // A failed start is not remembered: the next job tries again.
    known.catch(() => started.delete(device))
    return known
  }

  return {
    kernels,
    codecs,
    operators,
    architectures,
    strategies,
    get device() {
      return chosen
    },
    async evaluator(wish = ownWish) {
      const choice = await chooseDevice(wish)
      if (wish === ownWish) chosen = choice
      return { ...(await running(choice.device)), device: choice }
    },
    async close() {
      for (const start of started.values()) {
        const running = await start.catch(() => undefined)
        await running?.evaluator.close()
        await running?.runtime.close()
      }
      await kernels.close()
    },
  }
}
