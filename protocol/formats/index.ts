import { announcement } from './announcement.ts'
import type { DecodedRecord, RecordFormat } from './record.ts'
import { score } from './score.ts'

/** Every record format that this version reads. */
export const recordFormats: readonly RecordFormat[] = [
  announcement as RecordFormat,
  score as RecordFormat,
]

/** `undefined` for a type or version that is not known here. */
export function formatOf(decoded: DecodedRecord): RecordFormat | undefined {
  return recordFormats.find(
    ({ type, version }) => type === decoded.type && version === decoded.version,
  )
}
