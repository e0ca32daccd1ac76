import type { TensorCodec } from './encode-delta.ts'

/**
 * What `auto` tries for an error. `raw` comes first, since it is within every error, and then the
 * smallest on a dense delta of normal values: what follows is soon seen to be larger than one of
 * these. Beside each stands its relative error on such a delta; one width for all blocks suits large
 * tensors less, whose largest value is farther out.
 *
 * Each is the smallest on some tensors of the trained fine-tunes or made-up pairs at errors from 0.7 to
 * 0.01. Left out are those that never are, such as `noise`, or by less than 3 %, and `residual`, which
 * only near 0.2 saves that little and takes as long as most others together.
 */
export function candidatesFor(error: number): readonly TensorCodec[] {
  return [
    { codec: 'raw', parameters: {} },
    { codec: 'low-rank', parameters: { rank: MAX_RANK, energy: 1 - RANK_SHARE * error * error } },
    { codec: 'ternary', parameters: { density: 0.05 } }, // 0.85
    { codec: 'ternary', parameters: { density: 0.25 } }, // 0.57
    { codec: 'bitdelta', parameters: {} }, // 0.60
    { codec: 'ternary', parameters: { density: 0.5 } }, // 0.44
    { codec: 'integer', parameters: { bits: 3 } }, // 0.27
    { codec: 'blocks', parameters: { blocks: 4, split: 'lloyd' } }, // 0.17 to 0.22
    { codec: 'blocks', parameters: { blocks: 8, split: 'equal-width' } }, // 0.17 to 0.31
    { codec: 'integer', parameters: { bits: 4 } }, // 0.12
    { codec: 'integer', parameters: { bits: 4, group: 32 } }, // 0.095
    { codec: 'blocks', parameters: { blocks: 16, split: 'equal-width' } }, // 0.08 to 0.16
    { codec: 'integer', parameters: { bits: 5 } }, // 0.055
    { codec: 'blocks', parameters: { blocks: 32, split: 'equal-width' } }, // 0.04 to 0.08
    { codec: 'integer', parameters: { bits: 6 } }, // 0.026
    { codec: 'blocks', parameters: { blocks: 64, split: 'equal-width' } }, // 0.02 to 0.04
    { codec: 'integer', parameters: { bits: 7 } }, // 0.013
    { codec: 'integer', parameters: { bits: 8 } }, // 0.0063
    { codec: 'sparse', parameters: { values: 'BF16' } }, // 0.0017
    { codec: 'sparse', parameters: { values: 'F32' } },
  ]
}

/** More are rarely smaller than integers, and take longer to find than all else. */
const MAX_RANK = 64

/** How much of the squared error the dropped singular values may make; rounding adds the rest. */
const RANK_SHARE = 0.9
