import assert from 'node:assert/strict'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createDeviceMemory } from '../../src/graphs/device-memory.ts'
import { createDeviceScope, type DeviceScope } from '../../src/graphs/device-scope.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { type GraphCase, operatorGraphContract } from '../contract/operator-graph.ts'
import { openTestRuntime } from '../support/test-device.ts'

const operators = await loadOperators()

/** What to try, by operator; every operator with a graph is here. */
const cases: Readonly<Record<string, readonly GraphCase[]>> = {
  dare: [
    { parameters: { p: 0.4, k: 0, seed: 3 } },
    { parameters: { p: 0.3, k: -0.5, seed: 4 } },
    { mode: 'mergekit', parameters: { p: 0.4, k: 0, seed: 3 } },
  ],
  darex: [{ parameters: { p: 0.7, q: 0.4, seed: 6 } }],
  drop: [{ parameters: { p: 0.7, seed: 5 } }],
  flip: [
    { parameters: { p: 0.3, seed: 7 } },
    { parameters: { p: 0.2, compensate: 'yes', seed: 8 } },
  ],
  scale: [{ parameters: { alpha: 0.3 } }, { parameters: { alpha: -1.5 } }],
  'task-arithmetic': [{ parameters: { lambda: 0.4, weights: [1, -0.5, 0.3] } }],
  ties: [
    { parameters: { density: 0.3, lambda: 0.7, over: 'tensor' } },
    { parameters: { density: 0.6, merge: 'sum', weights: [1, 2, 0.5] } },
    { mode: 'official', parameters: { density: 0.3 } },
    { mode: 'mergekit', parameters: { density: 0.4, weights: [1, -1, 0.5] } },
    { mode: 'mergekit', parameters: {} },
  ],
  trim: [
    { parameters: { density: 0.25 } },
    { parameters: { density: 0.5, over: 'all' } },
    { parameters: { density: 0 } },
    { mode: 'official', parameters: { density: 0.25 } },
  ],
}

describe('operators on a device', function () {
  this.timeout(60_000)
  const kernels = openKernels()
  let runtime: Runtime
  let device: DeviceScope
  before(async () => {
    runtime = await openTestRuntime(kernels)
    device = createDeviceScope(createDeviceMemory(runtime))
  })
  after(async () => {
    await device.forget()
    await device.close()
    await runtime.close()
  })

  it('are these', () => {
    const withGraph = operators.ids.filter((id) => operators.get(id).graph !== undefined)
    assert.deepEqual(withGraph, Object.keys(cases))
  })

  for (const [id, tried] of Object.entries(cases)) {
    describe(id, () =>
      operatorGraphContract(operators.get(id), tried, { kernels, device: () => device }),
    )
  }
})
