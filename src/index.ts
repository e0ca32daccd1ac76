/** The engine's door: everything that protocol and node may use of `src`. */
export {
  asCid,
  checkCid,
  type CID,
  cidOf,
  cidOfDigest,
  cidOfValue,
  DAG_CBOR,
  decodeCanonical,
  encodeCanonical,
  parseCid,
  RAW,
  sha256,
  shortId,
} from './canonical.ts'
export { castCheckpoint } from './checkpoints/cast.ts'
export { type CheckpointDifference, compareCheckpoints } from './checkpoints/compare.ts'
export { deltaTensor } from './checkpoints/delta.ts'
export { type OpenCheckpoint, openSafetensors } from './checkpoints/files.ts'
export { type ModelFolder, openFolder } from './checkpoints/folder.ts'
export { weightsId, type WeightsId } from './checkpoints/weights-id.ts'
export { type Weights, weightsOf } from './checkpoints/weights.ts'
export { type FolderContent, writeFolder } from './checkpoints/write-folder.ts'
export { encodeFactors } from './codecs/factors/encode-factors.ts'
export {
  type Activations,
  type Calibration,
  type Codec,
  type CodecContext,
  type DeltaTensor,
  type EncodedTensor,
  loadCodecs,
  type Sections,
  type SectionSink,
} from './codecs/index.ts'
export {
  type CodecChoice,
  type CodecChooser,
  createCodecChooser,
} from './codecs/manifest/choose-codec.ts'
export {
  type EncodeContext,
  encodeTensor,
  type Loss,
  relativeError,
  type StoredTensor,
  type TensorCodec,
} from './codecs/manifest/encode-delta.ts'
export { checkContents } from './codecs/manifest/layout.ts'
export {
  MAX_INDEX_BYTES,
  MAX_INDEX_LEAVES,
  MAX_LEAF_BYTES,
  MAX_ROOT_BYTES,
} from './codecs/manifest/limits.ts'
export {
  decodeIndex,
  decodeRoot,
  type DeltaRoot,
  type DeltaSource,
  encodeIndex,
  encodeRoot,
  type IndexedTensor,
  type IndexNode,
  toEncoded,
} from './codecs/manifest/manifest.ts'
export { verifyTensor } from './codecs/manifest/verify.ts'
export { refitScales } from './codecs/residual/refit-scales.ts'
export { calibrationOf } from './codecs/scales/calibration.ts'
export { checkKernels } from './compute/check-kernels.ts'
export { type Kernels, type Matrix, type Region } from './compute/kernels.ts'
export { createLease, type Lease } from './compute/lease.ts'
export { matrixOf } from './compute/matrix/matrix.ts'
export { createProducts, type MatrixProducts } from './compute/matrix/products.ts'
export { type Spectrum, spectrumOf } from './compute/matrix/spectrum.ts'
export { type Device, openRuntime, type Runtime } from './compute/onnxruntime.ts'
export { openKernels } from './compute/open-kernels.ts'
export {
  DeltaswarmError,
  EnvironmentError,
  type ErrorFacts,
  type ErrorId,
  IncompatibleError,
  InvalidInputError,
  LimitError,
  MalformedError,
  NetworkError,
  NotAllowedError,
  NotFoundError,
  VerificationError,
} from './errors.ts'
export { assignedPeers } from './evaluation/assignment.ts'
export { buildSuite, splitSuites } from './evaluation/build-suite.ts'
export { type VariantClass } from './evaluation/classify.ts'
export { MOST_DIFFERENCE, openDeviceTrial } from './evaluation/device-trial.ts'
export { createEvaluator, type Evaluator, type MeasuredSuite } from './evaluation/evaluate.ts'
export {
  bestOf,
  type Board,
  compareOnBoard,
  type Comparison,
  MIN_MEASURERS,
  rank,
  scoreOf,
  type Standing,
  tieGroups,
} from './evaluation/leaderboard.ts'
export { itemsOfPrepared } from './evaluation/prepared.ts'
export { referencesOf } from './evaluation/reference-of.ts'
export { viewRoot } from './evaluation/score-view.ts'
export { NOT_FINITE, quantiseLoss, type ScoreRecord, type ScoreValue } from './evaluation/score.ts'
export {
  decodeShard,
  decodeSuite,
  MAX_SHARD_BYTES,
  MAX_SUITE_BYTES,
} from './evaluation/suite-format.ts'
export { suiteFrame, type SuiteFrame } from './evaluation/suite-frame.ts'
export {
  SHARD_ITEMS,
  type SuiteImage,
  type SuiteItem,
  type SuiteRoot,
  type SuiteTask,
} from './evaluation/suite.ts'
export { type Architecture, loadArchitectures, readModel } from './models/index.ts'
export {
  inScope,
  loadOperators,
  type Mode,
  modes,
  type Operator,
  type Scope,
} from './operators/index.ts'
export { describeRange } from './parameters.ts'
export {
  type DraftNode,
  leavesOf,
  type RecipeDraft,
  recipeId,
  recipeOf,
} from './recipes/canonical-recipe.ts'
export { compareDeltas, type TensorComparison } from './recipes/comparison/compare-deltas.ts'
export { measureNorms, type TensorNorms } from './recipes/comparison/delta-norms.ts'
export {
  countElements,
  type EditEffect,
  measureEdits,
  type StepEffect,
} from './recipes/comparison/edit-effect.ts'
export {
  cosine,
  type Relation,
  relativeChange,
  sumRelations,
} from './recipes/comparison/relation.ts'
export { decodeRecipe, encodeRecipe, MAX_RECIPE_BYTES } from './recipes/decode-recipe.ts'
export { describeRecipe } from './recipes/describe-recipe.ts'
export { openVariant, type Variant } from './recipes/materialise.ts'
export { type Deltas, openDeltas } from './recipes/open-deltas.ts'
export { type Plan, planRecipe, type Sources } from './recipes/plan/plan.ts'
export { describeDifference } from './recipes/recipe-difference.ts'
export { type Recipe, type RecipeNode } from './recipes/recipe.ts'
export { tiedCopies } from './recipes/tied-copies.ts'
export { loadRegistry, type Registry, registryOf } from './registry.ts'
export { loadStrategies, type Strategy } from './search/index.ts'
export type { Checkpoint } from './tensors/checkpoint.ts'
export { weightDTypes } from './tensors/dtype.ts'
export { canonicalScope } from './tensors/scope.ts'
export { compareNames, elementsOf, sameShape, type TensorSpec } from './tensors/tensor.ts'
