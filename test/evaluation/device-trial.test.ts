import assert from 'node:assert/strict'
import { openRuntime, type Runtime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MOST_DIFFERENCE, openDeviceTrial } from '../../src/evaluation/device-trial.ts'
import { loadArchitectures } from '../../src/models/index.ts'

describe('openDeviceTrial', () => {
  const kernels = openKernels()
  let runtime: Runtime
  before(async () => {
    runtime = await openRuntime(kernels)
  })
  after(() => runtime.close())

  async function lossesOn(runtime: Runtime): Promise<readonly number[]> {
    const trial = openDeviceTrial({ kernels, runtime, architectures: await loadArchitectures() })
    try {
      await trial.product()
      return await trial.losses()
    } finally {
      await trial.close()
      assert.equal(kernels.allocated, 0)
    }
  }

  it('gives the same losses again, which are not those of a model that knows nothing', async () => {
    const losses = await lossesOn(runtime)
    assert.deepEqual(await lossesOn(runtime), losses)
    for (const loss of losses) assert.ok(Math.abs(loss - Math.log(64)) > 1e-2, `${loss}`)
  })

  it('shows a device that is slightly wrong', async () => {
    const wrong: Runtime = {
      ...runtime,
      async session(model) {
        const session = await runtime.session(model)
        return {
          ...session,
          async run(feeds, fetches) {
            await session.run(feeds, fetches)
            const [{ region }] = Object.values(fetches) as [(typeof fetches)[string]]
            region.f32.forEach((value, i, all) => (all[i] = value * (i % 2 === 0 ? 1.001 : 1)))
          },
        }
      },
    }
    const [right, seen] = [await lossesOn(runtime), await lossesOn(wrong)]
    const difference = Math.max(...right.map((loss, i) => Math.abs(loss - seen[i]!)))
    assert.ok(difference > MOST_DIFFERENCE, `${difference}`)
  })
})
