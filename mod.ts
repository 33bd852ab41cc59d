/**
 * ckpt as a library: checkpoints of language models, without Python, in constant memory, never running anything from a
 * file.
 *
 * - Converting: {@linkcode convertCheckpoint}; in two steps {@linkcode planConversion} and {@linkcode runConversion}.
 * - Looking: {@linkcode inspect}, {@linkcode inspectGlobals}, {@linkcode compareCheckpoints},
 *   {@linkcode verifyCheckpoint}; the values of tensors: {@linkcode statistics}, {@linkcode compareStatistics}.
 * - Tensors: {@linkcode openTensors} of any file, or new ones ({@linkcode tensorOf}); {@linkcode renameTensors},
 *   {@linkcode selectTensors}, {@linkcode castTensors}; {@linkcode saveSafetensors}, {@linkcode saveTorch}.
 * - Errors: each is a {@linkcode CheckpointError}; anything else that is thrown is a bug.
 *
 * The rest is in modules of their own: `./plan`, `./torch`, `./safetensors`, `./gguf`, `./pickle`, `./models`,
 * `./inspect`, `./report` and `./sources`, which are `lib/convert/mod.ts` and `lib/<name>/mod.ts`.
 *
 * ```ts
 * import { castTensors, openTensors, renameTensors, saveSafetensors } from "@ckpt/ckpt";
 *
 * const tensors = await openTensors("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * console.log(await tensors.get("decoder.layer_norm.weight")!.read());
 *
 * const renamed = renameTensors(tensors, { "decoder.*": "*" });
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * await saveSafetensors(path, castTensors(renamed, "float32"));
 * ```
 *
 * Needs `--allow-read` and `--allow-write` for the paths that are read and written, and nothing else.
 *
 * @module
 */

// Converting

export {
  type Conversion,
  type ConversionSummary,
  convertCheckpoint,
  type ConvertOptions,
  planConversion,
  runConversion,
} from "./lib/convert/convert_checkpoint.ts";
export { type OutputOptions, type Target, targets } from "./lib/convert/target.ts";
export type { Task } from "./lib/output/output_directory.ts";
export type { CopyProgress } from "./lib/copy/copy_engine.ts";

// Looking

export { inspect, type Inspection, type InspectOptions } from "./lib/inspect/inspect.ts";
export { type GlobalsInspection, inspectGlobals } from "./lib/inspect/globals.ts";
export { compareCheckpoints, type CompareOptions, type Comparison } from "./lib/inspect/compare.ts";
export { statistics, type StatisticsOptions, type TensorStatistics } from "./lib/inspect/statistics.ts";
export {
  compareStatistics,
  type CompareStatisticsOptions,
  type TensorMovement,
} from "./lib/inspect/movement.ts";
export { type Verification, verifyCheckpoint, type VerifyOptions } from "./lib/inspect/verify.ts";

// Tensors

export { LazyTensor, tensorOf, type TensorOrigin } from "./lib/tensors/lazy_tensor.ts";
export type { ReadOptions, TensorValues } from "./lib/tensor/read_values.ts";
export { openTensors, type OpenTensorsOptions } from "./lib/tensors/open_tensors.ts";
export { castTensors, type NamedTensors, renameTensors, selectTensors } from "./lib/tensors/steps.ts";
export {
  type SavedTensors,
  type SaveOptions,
  saveSafetensors,
  type SaveSafetensorsOptions,
  saveTorch,
} from "./lib/tensors/save.ts";

// Errors, and the version

export {
  CancelledError,
  CheckpointError,
  FileError,
  FormatError,
  MismatchError,
  OptionError,
} from "./lib/error.ts";
export { ConfigError } from "./lib/models/config_error.ts";
export { VERSION } from "./lib/version.ts";
