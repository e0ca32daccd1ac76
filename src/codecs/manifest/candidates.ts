import type { TensorCodec } from './encode-delta.ts'

/**
 * What `auto` tries, the smallest on a dense delta of normal values first, so that those which follow
 * are soon seen to be larger. Beside each stands its relative error on such a delta. Integers of 2
 * bits are left out, because ternary takes fewer bits for the same error, and those of 7, between
 * which and 8 little lies. The last three lose little or nothing, and win where few weights changed.
 */
export const candidates: readonly TensorCodec[] = [
  { codec: 'ternary', parameters: { density: 0.1 } }, // 0.76
  { codec: 'bitdelta', parameters: {} }, // 0.60
  { codec: 'ternary', parameters: { density: 0.25 } }, // 0.57
  { codec: 'ternary', parameters: { density: 0.5 } }, // 0.44
  { codec: 'integer', parameters: { bits: 3 } }, // 0.27
  { codec: 'integer', parameters: { bits: 4 } }, // 0.12
  { codec: 'integer', parameters: { bits: 5 } }, // 0.055
  { codec: 'integer', parameters: { bits: 6 } }, // 0.026
  { codec: 'integer', parameters: { bits: 8 } }, // 0.0063
  { codec: 'sparse', parameters: { values: 'BF16' } }, // 0.0017
  { codec: 'raw', parameters: {} },
  { codec: 'sparse', parameters: { values: 'F32' } },
]
