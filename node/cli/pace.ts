import type { JobProgress } from '../job-options.ts'

/**
 * How fast a phase goes and how long it will take; nothing is said before there is enough to say
 * it.
 */
export interface Pace {
  /** Units per second over the last ten seconds. */
  readonly rate?: number
  readonly secondsLeft?: number
}

/** The window of the rate, and how much of it is needed before anybody believes the rest. */
const WINDOW_MS = 10_000
const ENOUGH_MS = 3_000

/** Measures the pace of a job; a new phase starts anew. */
export function createPacer(): (progress: JobProgress, time: number) => Pace {
  let phase: string | undefined
  let samples: { readonly time: number; readonly done: number }[] = []
  return ({ phase: current, done, total }, time) => {
    if (current !== phase) samples = []
    phase = current
    samples.push({ time, done })
    samples = samples.filter((sample) => time - sample.time <= WINDOW_MS)
    const [first] = samples
    const rate = (1000 * (done - first!.done)) / (time - first!.time)
    if (time - first!.time < ENOUGH_MS || !(rate > 0)) return {}
    return { rate, secondsLeft: (total - done) / rate }
  }
}

/** Two units at most: `8 s`, `2 m 5 s`, `3 h 20 m`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes} m ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} m`
}
