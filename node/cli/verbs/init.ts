import { peerIdOf } from '../../../protocol/index.ts'
import { loadIdentity } from '../../identity.ts'
import type { HereVerb } from './index.ts'

export const verb: HereVerb = {
  id: 'init',
  group: 'start',
  summary: 'make the key and the folder of a node; every other verb does it when needed',
  examples: ['deltaswarm init --home ./node-a'],
  async here(_parsed, { config, output }) {
    const key = await loadIdentity(config.home)
    const peer = peerIdOf(key.publicKey.raw)
    if (output.mode === 'json') {
      output.line(JSON.stringify({ schema: 'deltaswarm.init/1', peer, home: config.home }))
    } else if (output.mode === 'quiet') {
      output.line(peer)
    } else {
      output.line(`peer  ${peer}`)
      output.line(`home  ${config.home}`)
      output.note('the key in keys/node.key signs your scores: back it up')
      output.note('next: deltaswarm publish <your-finetune> --base <its-base> -n <name>')
    }
    return 0
  },
}
