import type { Kept } from '../roles/publisher.ts'
import { formatBytes, type Output } from './output.ts'

/** What `edit` and `merge` answer: the recipe they made, and of what. */
export interface Made extends Omit<Kept, 'id'> {
  readonly id: string
  readonly summary: string
}

export function printMade(
  { id, ownBytes, closureBytes, shared, summary }: Made,
  output: Output,
): void {
  output.line(`${summary}  own ${formatBytes(ownBytes)}, closure ${formatBytes(closureBytes)}`)
  output.line(id)
  if (!shared) {
    output.note('local: it names weights that no peer can fetch, so it was not announced')
  }
}
