import { z } from 'zod'
import type { CID } from '../../src/index.ts'
import { MAX_NAME_LENGTH, MAX_SUMMARY_LENGTH } from '../limits.ts'
import { cid, text, wholeNumber } from './fields.ts'
import { defineRecord } from './record.ts'

/**
 * `announcement` version 1: "I have this, and here is what it is". The body:
 *
 *     kind          'delta', 'recipe' or 'suite'
 *     root          CID of the root block
 *     name          at most 128 characters, for lists
 *     base          weights id, for a delta and for a recipe with a base
 *     bytes         size of the root and of everything below it that is its own
 *     closureBytes  the same with the deltas that a recipe names
 *     summary       a sentence or two
 *
 * It claims nothing that a reader has to believe: whoever fetches the root learns the truth.
 * Several authors may announce one root, and each then counts as a provider.
 */
export interface Announcement {
  readonly kind: 'delta' | 'recipe' | 'suite'
  readonly root: CID
  readonly name: string
  readonly base?: CID
  readonly bytes: number
  readonly closureBytes?: number
  readonly summary: string
}

export const announcement = defineRecord<Announcement>({
  type: 'announcement',
  version: 1,
  body: z.strictObject({
    kind: z.enum(['delta', 'recipe', 'suite']),
    root: cid,
    name: text(MAX_NAME_LENGTH),
    base: cid.exactOptional(),
    bytes: wholeNumber,
    closureBytes: wholeNumber.exactOptional(),
    summary: text(MAX_SUMMARY_LENGTH),
  }),
})
