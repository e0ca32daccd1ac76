import { checkKernels, DeltaswarmError, openKernels, openRuntime } from '../../src/index.ts'
import type { DeviceWish } from '../config.ts'
import { chooseDevice, type DeviceChoice, type Prober, rememberedProbe } from './choose.ts'
import type { Probe } from './probe.ts'

/** What computes on this machine, and whether it can be relied on. */
export interface EngineReport {
  /** Whether the kernels, onnxruntime and the chosen device work. */
  readonly works: boolean
  /** The device that is taken and why, or why there is none. */
  readonly choice: string
  /** Its version and where it runs matrix products, or why it does not. */
  readonly onnxruntime: string
  /** Kernels that differ from the same arithmetic written out. */
  readonly faultyKernels: readonly string[]
  readonly devices: readonly (Probe & { readonly taken: boolean })[]
}

export async function reportEngine(
  wish: DeviceWish,
  prober: Prober = rememberedProbe,
): Promise<EngineReport> {
  const faultyKernels = checkKernels(openKernels())
  const onnxruntime = await openRuntime(openKernels()).then(
    async (runtime) => {
      await runtime.close()
      return { works: true, text: runtime.description }
    },
    (error: Error) => ({ works: false, text: error.message }),
  )
  const cpu: Probe = onnxruntime.works
    ? { device: 'cpu', works: true, difference: 0, speedup: 1 }
    : { device: 'cpu', works: false, reason: onnxruntime.text }
  const probes = [cpu, await prober('webgpu'), await prober('cuda')]
  const choice = await chooseDevice(wish, prober).catch(asRefused)
  const taken = 'device' in choice ? choice.device : undefined
  return {
    works: faultyKernels.length === 0 && onnxruntime.works && taken !== undefined,
    choice: choice.line,
    onnxruntime: onnxruntime.text,
    faultyKernels,
    devices: probes.map((probe) => ({ ...probe, taken: probe.device === taken })),
  }
}

/** A device that was wished for and does not work is an answer here. */
function asRefused(error: unknown): Pick<DeviceChoice, 'line'> {
  if (error instanceof DeltaswarmError) return { line: error.message }
  throw error
}
