/**
 * ckpt: converts LLaMA checkpoints between fairseq2, Meta's layout and Hugging Face, without Python, in constant memory,
 * never running anything from a file.
 *
 * ```ts ignore
 * import { convertCheckpoint } from "https://…/mod.ts";
 *
 * const summary = await convertCheckpoint({
 *   input: "run/checkpoints/step_1000",
 *   output: "llama3_2_1b",
 *   onProgress: ({ bytes, totalBytes }) => console.log(bytes / totalBytes),
 * });
 * console.log(summary.architecture, summary.files);
 * ```
 *
 * Needs `--allow-read` and `--allow-write` for the paths that are read and written, and nothing else.
 *
 * @module
 */

export {
  type Conversion,
  type ConversionSummary,
  convertCheckpoint,
  type ConvertOptions,
  describeConversion,
  planConversion,
  runConversion,
} from "./lib/convert/convert_checkpoint.ts";
export { openCheckpoint, type OpenOptions } from "./lib/convert/open_checkpoint.ts";

export { type OutputOptions, type Target, targets } from "./lib/convert/target.ts";
export type { Checkpoint, Parameters, TensorParallelShard } from "./lib/layouts/checkpoint.ts";
export { type ResolvedModel, resolveModel } from "./lib/convert/resolve_model.ts";
export type { UnknownField } from "./lib/layouts/fairseq2/config_tree.ts";
export type {
  ModelDescription,
  ModelShape,
  RopeScaling,
  SpecialTokens,
  YarnScaling,
} from "./lib/models/model_description.ts";
export { architectures, findArchitecture, findModelCard, type ModelCard } from "./lib/models/model_cards.ts";
export type { Architecture, Generation, Naming } from "./lib/models/family.ts";
export { ConfigError } from "./lib/models/config_error.ts";

export {
  inspect,
  type InspectedFile,
  type InspectedTensor,
  type Inspection,
  type InspectOptions,
} from "./lib/inspect/inspect.ts";
export type { FileFormat } from "./lib/inspect/listing.ts";
export type { InspectedGguf, InspectedMetadata, InspectedValue } from "./lib/inspect/gguf_metadata.ts";
export { type GlobalsInspection, inspectGlobals, type NamedByPickle } from "./lib/inspect/globals.ts";
export {
  compareCheckpoints,
  type ComparedSide,
  type CompareOptions,
  type Comparison,
  type TensorDifference,
  type TensorForm,
} from "./lib/inspect/compare.ts";
export {
  type ExponentHistogram,
  statistics,
  type StatisticsOptions,
  type TensorStatistics,
} from "./lib/inspect/statistics.ts";
export {
  compareStatistics,
  type CompareStatisticsOptions,
  type TensorMovement,
} from "./lib/inspect/movement.ts";
export {
  type ModelVerification,
  type Verification,
  verifyCheckpoint,
  type VerifyOptions,
} from "./lib/inspect/verify.ts";
export type { FileVerification } from "./lib/inspect/verify_file.ts";
export type { TensorSum } from "./lib/inspect/tensor_sums.ts";
export { type HttpOptions, openHttpSource } from "./lib/bytes/http_source.ts";

export { type DType, dtypeOf, dtypes } from "./lib/tensor/dtype.ts";
export type { Storage, Tensor } from "./lib/tensor/tensor.ts";
export { readTensorBytes, readTensorValues, type TensorValues } from "./lib/tensor/read_values.ts";
export type { GgufArray, GgufMetadata, GgufNumberType, GgufValue } from "./lib/gguf/value.ts";
export { openTorchFile, type StoredTensors, type TorchFile } from "./lib/torch/torch_file.ts";
export type { StoredStorage } from "./lib/torch/stored_storage.ts";
export type { Archive } from "./lib/torch/archive.ts";
export type { ArchiveRecord } from "./lib/torch/torch_directory.ts";
export type { TorchDialect } from "./lib/torch/save_state.ts";
export { type ByteSource, FileSource } from "./lib/bytes/source.ts";

export type { CastLoss, CopyOptions, CopyProgress, CopyResult } from "./lib/copy/copy_engine.ts";
export type { Task, WriteOptions, WriteResult } from "./lib/output/output_directory.ts";
export type {
  ChecksumDigest,
  Copy,
  FileLayout,
  KnownCrc,
  Literal,
  OutputFile,
  Overlay,
  Plan,
  PlannedTensor,
} from "./lib/copy/plan.ts";
export type { SourceFile } from "./lib/bytes/source.ts";
export type {
  BytesView,
  CastType,
  CastView,
  ConcatColumnsView,
  ConcatRowsView,
  NumberFormat,
  ReorderRowsView,
  SliceColumnsView,
  SliceRowsView,
  StridedView,
  TargetFormat,
  View,
} from "./lib/bytes/view.ts";

export * from "./lib/pickle/mod.ts";

export {
  CancelledError,
  CheckpointError,
  FileError,
  FormatError,
  MismatchError,
  OptionError,
} from "./lib/error.ts";
export { VERSION } from "./lib/version.ts";
