import {
  type Device,
  openDeviceTrial,
  loadArchitectures,
  MOST_DIFFERENCE,
  openKernels,
  openRuntime,
} from '../../src/index.ts'
import type { Probe } from './probe.ts'

/**
 * Tries a device against the CPU and prints what came of it as JSON. It is a process of its own,
 * because a driver that crashes takes its process along, and its stderr is the driver's.
 */

/**
 * The first product compiles; it is repeated this often or for this long, and the best time counts.
 */
const RUNS = 5
const RUNS_MS = 1_000

const kernels = openKernels()
const architectures = await loadArchitectures()
const device = process.argv[2] as Device
process.stdout.write(`\n${JSON.stringify(await probe().catch(failed))}`)

async function probe(): Promise<Probe> {
  const tried = await measure(device)
  const cpu = await measure('cpu')
  const difference = cpu.losses.reduce(
    (most, loss, i) => Math.max(most, Math.abs(loss - tried.losses[i]!)),
    0,
  )
  // NaN is no difference that is small enough.
  if (!(difference <= MOST_DIFFERENCE)) {
    return { device, works: false, reason: `differs from the CPU by ${difference.toPrecision(2)}` }
  }
  return { device, works: true, difference, speedup: cpu.ms / tried.ms }
}

async function measure(device: Device): Promise<{ losses: readonly number[]; ms: number }> {
  await using runtime = await openRuntime(kernels, { device })
  const trial = openDeviceTrial({ kernels, runtime, architectures })
  const losses = await trial.losses()
  const start = performance.now()
  let ms = Infinity
  for (let run = 0; run < RUNS && performance.now() - start < RUNS_MS; run++) {
    const before = performance.now()
    await trial.product()
    ms = Math.min(ms, performance.now() - before)
  }
  await trial.close()
  return { losses, ms }
}

/** onnxruntime's messages name files and functions first and the cause last. */
function failed(error: Error): Probe {
  const cause = error.message.trim().split('\n')[0]!
  return { device, works: false, reason: cause.split(': ').at(-1)! }
}
