/** What a session of any kind can do. */
interface Releasable {
  release(): Promise<void>
}

/** Compiled graphs by key. */
export interface SessionCache<S extends Releasable> {
  /** The session made for `key` before, or what `create` makes; a failure is not remembered. */
  get(key: string, create: () => Promise<S>): Promise<S>
  /** Releases the sessions longest unused beyond `keep`. Only while none of them runs. */
  trim(keep: number): Promise<void>
}

export function createSessionCache<S extends Releasable>(): SessionCache<S> {
  const sessions = new Map<string, Promise<S>>()
  return {
    get(key, create) {
      const session = sessions.get(key) ?? create()
      sessions.delete(key) // the order of a Map is that of insertion: last used comes last
      sessions.set(key, session)
      session.catch(() => sessions.delete(key))
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
