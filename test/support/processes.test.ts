import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { endProcesses, track, trackBackground } from './processes.ts'

const waits = ['-e', 'setTimeout(() => {}, 60_000)']

describe('processes that tests start', () => {
  it('are ended by a word they were started with, and no others', async () => {
    const [one, other] = ['/a/home', '/b/home'].map((home) =>
      track(spawn(process.execPath, [...waits, home], { stdio: 'ignore' })),
    )
    endProcesses('/a')
    const [, signal] = await once(one!, 'exit')
    assert.equal(signal, 'SIGKILL')
    assert.equal(other!.exitCode ?? other!.signalCode, null)
    endProcesses('/b')
    await once(other!, 'exit')
  })

  it('are ended in the background by their home, unless another process has their number', async () => {
    const env = { ...process.env, DELTASWARM_HOME: '/c/home' }
    const child = spawn(process.execPath, waits, { stdio: 'ignore', env })
    await once(child, 'spawn')
    trackBackground(child.pid!, '/d/home')
    endProcesses('/d')
    assert.equal(child.exitCode ?? child.signalCode, null)
    trackBackground(child.pid!, '/c/home')
    endProcesses('/c')
    const [, signal] = await once(child, 'exit')
    assert.equal(signal, 'SIGKILL')
  })
})
