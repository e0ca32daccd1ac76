import { type Device, EnvironmentError } from '../../src/index.ts'
import type { DeviceWish } from '../config.ts'
import { type Probe, probeDevice } from './probe.ts'

export interface DeviceChoice {
  readonly device: Device
  /** The choice and its reason in one line: `cpu (webgpu: No supported adapters; cuda: …)`. */
  readonly line: string
}

/** Tries a device. */
export type Prober = (device: Device) => Promise<Probe>

/** What `auto` tries, the best first. */
const candidates = ['cuda', 'webgpu'] as const satisfies readonly Device[]

/** A device that gains less is not worth the memory of its driver and its own rounding. */
const LEAST_SPEEDUP = 1.5

/**
 * Rejects with `EnvironmentError` `E_DEVICE` when a device was wished for by name and does not
 * work; how fast it is does not matter then.
 */
export async function chooseDevice(
  wish: DeviceWish,
  prober: Prober = rememberedProbe,
): Promise<DeviceChoice> {
  if (wish === 'cpu') return { device: 'cpu', line: 'cpu' }
  if (wish !== 'auto') {
    const probe = await prober(wish)
    if (probe.works) return { device: wish, line: `${wish} (${speedOf(probe.speedup)})` }
    throw new EnvironmentError('E_DEVICE', `${wish} does not work here: ${probe.reason}`, {
      expected: `a device that onnxruntime reaches through ${wish}`,
      actual: probe.reason,
      fix: ['deltaswarm doctor engine', 'use --device cpu'],
    })
  }
  const reasons: string[] = []
  for (const device of candidates) {
    const probe = await prober(device)
    const found = probe.works ? speedOf(probe.speedup) : probe.reason
    if (isWorthIt(probe)) return { device, line: `${device} (${found})` }
    reasons.push(`${device}: ${found}`)
  }
  return { device: 'cpu', line: `cpu (${reasons.toReversed().join('; ')})` }
}

/** Whether `auto` takes it. */
export function isWorthIt(probe: Probe): boolean {
  return probe.works && probe.speedup >= LEAST_SPEEDUP
}

/** What was found in this process; a driver does not change meanwhile. */
const probes = new Map<Device, Promise<Probe>>()

export function rememberedProbe(device: Device): Promise<Probe> {
  const known = probes.get(device) ?? probeDevice(device)
  probes.set(device, known)
  return known
}

function speedOf(speedup: number): string {
  return `${speedup.toPrecision(2)} × the CPU`
}
