/** Writes bytes in order while the caller makes the next ones. */
export interface WriteBehind {
  /**
   * Copies the bytes and resolves when those before them are written, or rejects with the failure
   * of that.
   */
  put(bytes: Uint8Array): Promise<void>
  /** Resolves when all is written. */
  end(): Promise<void>
}

/** `write` is called with one piece at a time and may keep it until it resolves. */
export function writeBehind(write: (bytes: Uint8Array) => Promise<void>): WriteBehind {
  let copy = new Uint8Array(0)
  let writing = Promise.resolve()
  return {
    async put(bytes) {
      await writing
      if (copy.length < bytes.length) copy = new Uint8Array(bytes.length)
      copy.set(bytes)
      writing = write(copy.subarray(0, bytes.length))
      // The next call hears of a failure; nobody may come to make one.
      writing.catch(() => undefined)
    },
    end: () => writing,
  }
}
