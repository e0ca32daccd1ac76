/** What the nodes answer, as far as the demo reads it; the verbs define it. */

export interface Listing {
  readonly items: readonly {
    readonly id: string
    readonly name: string
    readonly bytes: number
    readonly closureBytes: number
  }[]
}

export interface Row {
  readonly id: string
  readonly name: string
  readonly recipe: string
  readonly loss: number
  readonly n: number
  readonly measurers: readonly { readonly peer: string; readonly n: number }[]
  readonly reference?: string
  readonly difference?: number
  readonly ci?: readonly [number, number]
  readonly class?: string
}

export interface Board {
  readonly viewRoot: string
  readonly places: number
  readonly standings: readonly Row[]
}

export interface Status {
  readonly records: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly viewRoot: string
  readonly peers: number
  readonly views: readonly { readonly suite: string; readonly viewRoot: string }[]
}

export interface Inspection {
  readonly id: string
  readonly variant: string
  readonly base: string
  readonly recipe: string
  readonly ownBytes: number
  readonly closureBytes: number
}

/** `publish`, `edit` and `merge`. */
export interface Made {
  readonly id: string
  readonly variant?: string
}

export interface Suites {
  readonly suites: readonly { readonly id: string; readonly name: string; readonly items: number }[]
}

export interface Searched {
  readonly rounds: readonly { readonly proposals: readonly string[] }[]
}

export interface Evaluated {
  readonly variants: readonly { readonly id: string }[]
}
