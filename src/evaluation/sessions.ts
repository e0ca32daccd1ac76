import type { Runtime, Session } from '../compute/onnxruntime.ts'
import { forward, type Program } from '../graphs/program.ts'

/**
 * Sessions by program. Weights are inputs, so a session outlives the model that it was made for and
 * serves every one of its shapes.
 */
export interface SessionCache {
  get(program: Program): Promise<Session>
  /** Releases the sessions longest unused beyond `keep`. Only while none of them runs. */
  trim(keep: number): Promise<void>
}

export function createSessionCache(runtime: Runtime): SessionCache {
  const sessions = new Map<string, Promise<Session>>()
  return {
    get(program) {
      const session = sessions.get(program.key) ?? runtime.session(forward(program))
      sessions.delete(program.key) // the order of a Map is that of insertion: last used comes last
      sessions.set(program.key, session)
      session.catch(() => sessions.delete(program.key))
      return session
    },
    async trim(keep) {
      const surplus = [...sessions.entries()].slice(0, Math.max(0, sessions.size - keep))
      for (const [key, session] of surplus) {
        sessions.delete(key)
        await (await session).release()
      }
    },
  }
}
