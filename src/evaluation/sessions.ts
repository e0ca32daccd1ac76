import type { Runtime, Session } from '../compute/onnxruntime.ts'
import { forward, type Program } from '../graphs/program.ts'
import { createSessionCache } from '../graphs/session-cache.ts'

/**
 * Sessions by program. Weights are inputs, so a session outlives the model that it was made for and
 * serves every one of its shapes.
 */
export interface ProgramSessions {
  get(program: Program): Promise<Session>
  /** Releases the sessions longest unused beyond `keep`. Only while none of them runs. */
  trim(keep: number): Promise<void>
}

export function createProgramSessions(runtime: Runtime): ProgramSessions {
  const cache = createSessionCache<Session>()
  return {
    get: (program) => cache.get(program.key, () => runtime.session(forward(program))),
    trim: (keep) => cache.trim(keep),
  }
}
