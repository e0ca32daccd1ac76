import assert from 'node:assert/strict'
import { homedir } from 'node:os'
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
    assert.equal(readConfig({}, { XDG_DATA_HOME: '/data' }).home, join('/data', 'deltaswarm'))
  })
})
