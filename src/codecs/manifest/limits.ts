/**
 * Caps of the delta format. They are part of version 1: every reader refuses what exceeds them, so
 * a writer must keep them too. Sizes are bytes.
 */

const KIB = 1024

/** Roots are fetched before anything else is known about a delta; holds some 1,500 index links. */
export const MAX_ROOT_BYTES = 64 * KIB

/** Some 6,000 leaves or 1,000 tensors; small enough to decode without a pause. */
export const MAX_INDEX_BYTES = 256 * KIB

/**
 * A block is verified as a whole, so a lying peer wastes at most this; the size of UnixFS leaves.
 */
export const MAX_LEAF_BYTES = 1024 * KIB

/** What 256 KiB of links hold: a tensor, which no node divides, may take 5 GB when encoded. */
export const MAX_INDEX_LEAVES = 5_000

/** The largest open models have some 2,000 tensors. */
export const MAX_TENSORS = 8192

/** Elements of one tensor, and of each dimension: bit positions and counts stay in 32 bits. */
export const MAX_ELEMENTS = 2 ** 31

/** As in ONNX and safetensors files in the wild; the deepest weights have 5. */
export const MAX_RANK = 8

/** The cap of our safetensors reader, in UTF-8. */
export const MAX_TENSOR_NAME_BYTES = 512

/** Eight sign planes and their scales are the most that a codec splits a tensor into. */
export const MAX_SECTIONS = 9

/** Parameters of one tensor, and numbers in a list of them. */
export const MAX_PARAMETERS = 16

/** A merge of more deltas is published as a recipe. */
export const MAX_PARENTS = 64

/** Names, authors and licence expressions as people see them, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 128
