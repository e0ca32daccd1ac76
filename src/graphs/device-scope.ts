import { endAll } from '../compute/end-all.ts'
import type { DeviceTensor } from '../compute/onnxruntime.ts'
import type { DeviceMemory } from './device-memory.ts'

/**
 * Device memory with tensors that several variants share: what is kept is brought there once and lent
 * to whoever asks for it again, until all of it is forgotten.
 */
export interface DeviceScope extends DeviceMemory {
  /** The tensor kept for a thing's part `name`, or what `make` gives. Releasing it does nothing. */
  keep(thing: object, name: string, make: () => Promise<DeviceTensor>): Promise<DeviceTensor>
  /** Releases what is kept. Only while nobody uses it. */
  forget(): Promise<void>
}

export function createDeviceScope(device: DeviceMemory): DeviceScope {
  const kept = new Map<object, Map<string, Promise<DeviceTensor>>>()
  return {
    ...device,
    async keep(thing, name, make) {
      const parts = kept.get(thing) ?? new Map<string, Promise<DeviceTensor>>()
      kept.set(thing, parts)
      const tensor = parts.get(name) ?? make()
      parts.set(name, tensor)
      tensor.catch(() => parts.delete(name))
      return { ...(await tensor), release: () => Promise.resolve() }
    },
    async forget() {
      const tensors = [...kept.values()].flatMap((parts) => [...parts.values()])
      kept.clear()
      const settled = await Promise.allSettled(tensors)
      const made = settled.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
      await endAll(made.map((tensor) => () => tensor.release()))
    },
  }
}
