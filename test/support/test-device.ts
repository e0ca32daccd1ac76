import type { Device } from '../../src/compute/onnxruntime.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { openRuntime, type Runtime } from '../../src/compute/onnxruntime.ts'

/** Where tests of the device path run: here, or in a child that finds a driver (webgpu.test.ts). */
export const testDevice = (process.env['DELTASWARM_TEST_DEVICE'] ?? 'cpu') as Device

/**
 * A runtime on the test's device. The CPU passes for a device of its own, so that tensors stay with
 * onnxruntime and nothing takes the way of the CPU.
 */
export async function openTestRuntime(kernels: Kernels): Promise<Runtime> {
  const runtime = await openRuntime(kernels, { device: testDevice })
  return testDevice === 'cpu' ? { ...runtime, device: 'webgpu' } : runtime
}
