/** How far a job is; `total` never changes within a phase. */
export interface JobProgress {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit?: 'bytes' | 'items'
  readonly detail?: string
}

export interface JobOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: JobProgress) => void
}
