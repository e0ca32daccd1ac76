import { setTimeout as sleep } from 'node:timers/promises'
import { NetworkError } from '../../../src/index.ts'
import { socketPath } from '../../config.ts'
import { callDaemon, isAnswering } from '../../http/client.ts'
import type { HereVerb } from './index.ts'

/** How long an orderly stop may take, and how often it is asked for. */
const STOP_MS = 15_000
const POLL_MS = 50

export const verb: HereVerb = {
  id: 'down',
  group: 'start',
  summary: 'stop the node that runs in this home',
  examples: ['deltaswarm down'],
  async here(_parsed, { config, output }) {
    const socket = socketPath(config)
    const running = await isAnswering(socket)
    if (running) {
      await callDaemon(socket, 'stop', {})
      const deadline = Date.now() + STOP_MS
      while (await isAnswering(socket)) {
        if (Date.now() > deadline) {
          throw new NetworkError('E_DAEMON_STOP', 'the node still runs', {
            expected: `an end within ${STOP_MS / 1000} s`,
            actual: 'it answers on its socket',
            fix: 'run deltaswarm down again, or kill the process that deltaswarm status names',
          })
        }
        await sleep(POLL_MS)
      }
    }
    if (output.mode === 'json') {
      output.line(JSON.stringify({ schema: 'deltaswarm.down/1', running }))
    } else if (output.mode === 'human') {
      output.line(running ? 'stopped' : 'no node runs in this home')
    }
    return 0
  },
}
