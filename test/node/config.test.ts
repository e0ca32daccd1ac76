import assert from 'node:assert/strict'
import { availableParallelism, homedir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../node/config.ts'

describe('the configuration of a node', () => {
  const defaultHome = join(homedir(), '.local', 'share', 'deltaswarm')

  it('takes an empty variable for none, so that no home lies where a command was typed', () => {
    const empty = { DELTASWARM_HOME: '', XDG_DATA_HOME: '', DELTASWARM_PEERS: '' }
    assert.deepEqual(readConfig({}, empty), readConfig({}, {}))
    assert.equal(readConfig({}, empty).home, defaultHome)
  })

  it('prefers a flag to the environment, and the environment to the default', () => {
    const env = { DELTASWARM_HOME: '/env', DELTASWARM_PEERS: '/a,/b' }
    assert.deepEqual(readConfig({}, env).peers, ['/a', '/b'])
    assert.equal(readConfig({}, env).home, '/env')
    assert.equal(readConfig({ home: '/flag' }, env).home, '/flag')
    assert.equal(readConfig({}, { DELTASWARM_DEVICE: 'cpu' }).device, 'cpu')
    assert.equal(readConfig({ device: 'webgpu' }, { DELTASWARM_DEVICE: 'cpu' }).device, 'webgpu')
    assert.equal(readConfig({}, {}).device, 'auto')
    assert.equal(readConfig({}, { XDG_DATA_HOME: '/data' }).home, join('/data', 'deltaswarm'))
  })

  it('uses the cores that there are, up to eight, unless told a number', () => {
    assert.equal(readConfig({}, {}).threads, Math.min(availableParallelism(), 8))
    assert.equal(readConfig({}, { DELTASWARM_THREADS: '3' }).threads, 3)
    for (const actual of ['two', '0', '1.5', '-1']) {
      const wrong = () => readConfig({}, { DELTASWARM_THREADS: actual })
      assert.throws(wrong, { id: 'E_THREADS', actual })
    }
  })

  it('refuses a device that nobody knows', () => {
    for (const wrong of [
      () => readConfig({ device: 'tpu' }),
      () => readConfig({}, { DELTASWARM_DEVICE: 'GPU' }),
    ]) {
      assert.throws(wrong, { id: 'E_DEVICE_NAME', expected: ['auto', 'cpu', 'webgpu', 'cuda'] })
    }
  })
})
