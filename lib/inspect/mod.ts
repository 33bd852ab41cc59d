/**
 * Looking inside checkpoints: what they hold, whether two are the same, whether one is whole; with every type of what
 * comes of it.
 *
 * @module
 */

export {
  inspect,
  type InspectedFile,
  type InspectedTensor,
  type Inspection,
  type InspectOptions,
} from "./inspect.ts";
export type { FileFormat } from "./listing.ts";
export type { InspectedGguf, InspectedMetadata, InspectedValue } from "./gguf_metadata.ts";
export { type GlobalsInspection, inspectGlobals, type NamedByPickle } from "./globals.ts";
export {
  compareCheckpoints,
  type ComparedSide,
  type CompareOptions,
  type Comparison,
  type TensorDifference,
  type TensorForm,
} from "./compare.ts";
export { type ModelVerification, type Verification, verifyCheckpoint, type VerifyOptions } from "./verify.ts";
export type { DamagedValues } from "./damaged_values.ts";
export type { FileVerification } from "./verify_file.ts";
export type { TrainingState } from "../layouts/fairseq2/training_state.ts";
export type { TensorSum } from "./tensor_sums.ts";
export {
  type ExponentHistogram,
  statistics,
  type StatisticsOptions,
  type TensorStatistics,
} from "./statistics.ts";
export { compareStatistics, type CompareStatisticsOptions, type TensorMovement } from "./movement.ts";
