import { z } from 'zod'
import { modes } from '../../src/index.ts'
import { deviceWishes } from '../config.ts'

/** A parsed `ID=NAME:VALUE,…`; see spec.ts. Whether names, values and scope fit shows a recipe. */
export const specInput = z.strictObject({
  id: z.string(),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.number())])),
  scope: z.string().optional(),
})

/** Whose reading of an operator counts; the operands' own when it is left out. */
export const modeInput = z.enum(modes).optional()

/** Where a job measures; the node's own setting when it is left out. */
export const deviceInput = z.enum(deviceWishes).optional()

export const deviceOption = {
  flags: '--device <name>',
  about: 'measure on auto, cpu, webgpu or cuda (or DELTASWARM_DEVICE; default: auto)',
} as const

/** A CID, a name, @peer/name or a short id. */
export const referenceInput = z.string().min(1).max(256)

/** The same for a codec, which may share what another delta stores. */
export const codecInput = specInput
  .extend({ like: referenceInput.optional() })
  .transform(({ id, ...choice }) => ({ codec: id, ...choice }))

/** The same for an edit, which may go by another delta. */
export const editInput = specInput
  .extend({ by: referenceInput.optional() })
  .transform(({ id, ...edit }) => ({ operator: id, ...edit }))

/** A number as commander gives it, which is text; what is no number stays text and is refused as such. */
export function typedNumber(text: unknown): unknown {
  const number = typeof text === 'string' && text.trim() !== '' ? Number(text) : NaN
  return Number.isNaN(number) ? text : number
}

/** A name that a user gives: short, and harmless in a terminal or a path. */
export const nameInput = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._:-]{0,63}$/, 'letters, digits, . _ : - only, at most 64')

const WHOLE = 'a whole number from 0 on'

/** The number that fixes what is drawn at random. */
export const seedInput = z.int(WHOLE).nonnegative(WHOLE)
