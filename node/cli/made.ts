import { shortId } from '../../src/index.ts'
import { formatFigure } from './figures.ts'
import { formatBytes, type Output } from './output.ts'

/** What `edit` and `merge` answer: what they made, and of what. */
export interface Made {
  readonly id: string
  readonly summary: string
  /** Bytes of its own blocks, and of all that a peer with only the base must fetch. */
  readonly ownBytes: number
  readonly closureBytes: number
  /** False when it names weights that peers cannot fetch. */
  readonly shared: boolean
  readonly announced: boolean
  readonly dryRun?: boolean
  /** Of a delta that was encoded. */
  readonly encoding?: {
    readonly bpw: number
    readonly relativeError: number | null
    readonly like?: Shared
  }
}

/** What a delta stores as another does. */
export interface Shared {
  readonly id: string
  readonly tensors: number
  /** Those of the same codec that the other delta lacks or stores otherwise. */
  readonly others: number
  readonly bytes: number
}

export function printMade(made: Made, output: Output): void {
  const { id, summary, ownBytes, closureBytes, encoding } = made
  const sizes = `own ${formatBytes(ownBytes)}, closure ${formatBytes(closureBytes)}`
  output.line(
    encoding === undefined
      ? `${summary}  recipe, ${sizes}`
      : `${summary}  ${sizes}, ${encodingText(encoding)}`,
  )
  output.line(id)
  if (encoding?.like !== undefined) output.note(sharedText(encoding.like))
  const note = noteOn(made)
  if (note !== undefined) output.note(note)
}

/** How a delta was stored: `1.05 bits per weight, relative error 0.598`. */
export function encodingText({
  bpw,
  relativeError,
}: {
  readonly bpw: number
  readonly relativeError: number | null
}): string {
  const error =
    relativeError === 0 ? 'nothing lost' : `relative error ${formatFigure(relativeError)}`
  return `${bpw.toPrecision(3)} bits per weight, ${error}`
}

/** How much of a delta peers have who have the other. */
export function sharedText({ id, tensors, others, bytes }: Shared): string {
  const own = others === 0 ? '' : `, ${others} have signs of their own`
  return `${tensors} tensors take the signs of ${shortId(id)}${own}; both share ${formatBytes(bytes)}`
}

function noteOn({ dryRun, shared, announced }: Made): string | undefined {
  if (dryRun === true) return 'nothing was kept: leave --dry-run out to make it'
  if (!shared) return 'local: it names weights that no peer can fetch, so it was not announced'
  if (!announced) return 'kept on this node: --publish announces it, and so does evaluate'
  return undefined
}
