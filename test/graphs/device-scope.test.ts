import assert from 'node:assert/strict'
import type { DeviceTensor } from '../../src/compute/onnxruntime.ts'
import type { DeviceMemory } from '../../src/graphs/device-memory.ts'
import { createDeviceScope } from '../../src/graphs/device-scope.ts'

describe('a device scope', () => {
  let made = 0
  let released: number[] = []
  const make = async (): Promise<DeviceTensor> => {
    const held = ++made
    return {
      held,
      type: 'float32',
      dims: [1],
      release: () => Promise.resolve(void released.push(held)),
    }
  }
  const scope = createDeviceScope({} as DeviceMemory)
  beforeEach(() => {
    made = 0
    released = []
  })
  afterEach(() => scope.forget())

  it('makes what several ask for once, and keeps it when one of them is done', async () => {
    const [thing, other] = [{}, {}]
    const tensors = await Promise.all([
      scope.keep(thing, 'a', make),
      scope.keep(thing, 'a', make),
      scope.keep(thing, 'b', make),
      scope.keep(other, 'a', make),
    ])
    assert.deepEqual(
      tensors.map(({ held }) => held),
      [1, 1, 2, 3],
    )
    await tensors[0].release()
    assert.deepEqual(released, [])
  })

  it('releases everything when it forgets, and makes it anew', async () => {
    const thing = {}
    await scope.keep(thing, 'a', make)
    await scope.forget()
    assert.deepEqual(released, [1])
    assert.equal((await scope.keep(thing, 'a', make)).held, 2)
  })

  it('releases the others when one cannot be released, and says so', async () => {
    const thing = {}
    const dead = async (): Promise<DeviceTensor> => {
      return { ...(await make()), release: () => Promise.reject(new Error('thread ended')) }
    }
    await scope.keep(thing, 'a', dead)
    await scope.keep(thing, 'b', make)
    await assert.rejects(scope.forget(), /thread ended/)
    assert.deepEqual(released, [2])
  })

  it('does not keep a failure', async () => {
    const thing = {}
    await assert.rejects(
      scope.keep(thing, 'a', () => Promise.reject(new Error('no'))),
      /no/,
    )
    assert.equal((await scope.keep(thing, 'a', make)).held, 1)
  })
})
