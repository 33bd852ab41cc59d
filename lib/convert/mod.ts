/**
 * Conversions in their steps, as plain data: a checkpoint is opened, its model resolved, and every byte of the output
 * planned, before anything is written. And what plans are made of: tensors, views of their bytes, files.
 *
 * @module
 */

export { openCheckpoint, type OpenOptions } from "./open_checkpoint.ts";
export type { Checkpoint, Parameters, TensorParallelShard } from "../layouts/checkpoint.ts";
export { type ResolvedModel, resolveModel } from "./resolve_model.ts";
export type { UnknownField } from "../layouts/fairseq2/config_tree.ts";
export {
  type Conversion,
  type ConversionSummary,
  type ConvertOptions,
  describeConversion,
  planConversion,
  runConversion,
} from "./convert_checkpoint.ts";
export { type OutputOptions, type Target, targets } from "./target.ts";

export { type Task, type WriteOptions, writeOutput, type WriteResult } from "../output/output_directory.ts";
export type { CastLoss } from "../copy/cast_losses.ts";
export type { CopyOptions, CopyProgress, CopyResult } from "../copy/copy_engine.ts";
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
} from "../copy/plan.ts";

export { type DType, dtypeOf, dtypes } from "../tensor/dtype.ts";
export type { Storage, Tensor } from "../tensor/tensor.ts";
export {
  type ReadOptions,
  readTensorBytes,
  readTensorValues,
  type TensorValues,
} from "../tensor/read_values.ts";
export type {
  BytesView,
  CastType,
  CastView,
  ConcatColumnsView,
  ConcatRowsView,
  MemoryView,
  NumberFormat,
  ReorderRowsView,
  SliceColumnsView,
  SliceRowsView,
  StridedView,
  TargetFormat,
  View,
} from "../bytes/view.ts";
