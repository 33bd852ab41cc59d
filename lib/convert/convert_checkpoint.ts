/** Converting a checkpoint: open, plan, copy. */

import { liesIn, realPathOfNearest } from "../bytes/file_system.ts";
import { openPlace } from "../bytes/place.ts";
import { isRemote, traffic } from "../bytes/remote.ts";
import { checkPlace, checkScheme, isStore, writePlan } from "../output/output.ts";
import { checkTask, type Task } from "../output/output_directory.ts";
import { partialPaths } from "../output/partial_directory.ts";
import type { CastLoss } from "../copy/cast_losses.ts";
import type { CopyProgress } from "../copy/copy_engine.ts";
import { trimMemory } from "../copy/memory.ts";
import type { Plan } from "../copy/plan.ts";
import { FormatError, OptionError } from "../error.ts";
import {
  callback,
  checkOptions,
  flag,
  jobs,
  oneOf,
  required,
  type Rule,
  type Rules,
  signal,
  text,
  texts,
  wholeNumber,
} from "../options.ts";
import { isWholeStorage, numel, type Storage } from "../tensor/tensor.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { families } from "../models/families.ts";
import { cardsNamed } from "../models/model_cards.ts";
import { dtypesOf } from "../layouts/planned_output.ts";
import { shardDimOfName } from "../layouts/reshard.ts";
import { findCheckpoint, openRules } from "./open_checkpoint.ts";
import { examineWeights } from "./examine_weights.ts";
import { planOutput } from "./plan_output.ts";
import { isModelYaml, type ResolvedModel, resolveModel } from "./resolve_model.ts";
import {
  checkOutputOptions,
  DEFAULT_TARGET,
  type OutputOptions,
  outputRules,
  type Target,
} from "./target.ts";
import { checkUnknownFields } from "./unknown_fields.ts";

/** What to convert, and how. */
export interface ConvertOptions extends OutputOptions {
  /** The checkpoint's directory. */
  readonly input: string;
  /** The directory to make, which may exist if it is empty; or the same in a store, `s3://bucket/prefix`. */
  readonly output: string;
  /**
   * The model: an architecture, a model card, or the path of a `model.yaml`. Without it, the `model.yaml` beside or
   * above the checkpoint decides, and without that the shapes, where they fit exactly one architecture.
   */
  readonly model?: string;
  /**
   * fairseq2's name for the family that the model has to be of; any by default. Where several families have an
   * architecture of a name, as `7b`, it also decides which is meant; by default the one that the checkpoint's own files
   * say.
   */
  readonly family?: string;
  /** Fields of the `model.yaml` that ckpt doesn't know and that change nothing in what the model computes. */
  readonly ignoreConfig?: readonly string[];
  /** The input's layout, where its directory holds checkpoints of several. `"reference"` and `"meta"` are read alike. */
  readonly from?: Target;
  /** The step, where the input is a directory with several; the newest complete one by default. */
  readonly step?: number;
  /** How many workers copy; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Whether to clone files where the file system can. True by default. */
  readonly clone?: boolean;
  /** Whether to read every file back once it is written, and compare checksums. */
  readonly verify?: boolean;
  /** Whether to flush files and directories to their device before the output appears. */
  readonly sync?: boolean;
  /** Whether to throw away what an earlier run left, instead of going on from it. */
  readonly restart?: boolean;
  /** The share of the files to make, where several processes make them together. */
  readonly task?: Task;
  /** Called as the work proceeds. */
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
}

const share: Rule = {
  what: "a share { index, count } of whole numbers, counted from 1",
  allows(value) {
    if (typeof value !== "object" || value === null) return false;
    const { index, count } = value as Partial<Task>;
    return wholeNumber(1).allows(count) && wholeNumber(1, count).allows(index);
  },
};

const rules: Rules<ConvertOptions> = {
  ...openRules,
  ...outputRules,
  input: required,
  output: required,
  model: text,
  family: oneOf(families.map(({ name }) => name)),
  ignoreConfig: texts,
  jobs,
  clone: flag,
  verify: flag,
  sync: flag,
  restart: flag,
  task: share,
  onProgress: callback,
  signal,
};

/** A conversion that is ready to be carried out: nothing has been written. */
export interface Conversion {
  /** The checkpoint. */
  readonly checkpoint: Checkpoint;
  /** Its model. */
  readonly resolved: ResolvedModel;
  /** What a user should be told. */
  readonly notes: readonly string[];
  /** What is to be written. */
  readonly plan: Plan;
  /** How far the weights were looked at: what was looked at quickly can't be carried out. */
  readonly depth: "whole" | "quick";
  /** What this process had read over the network before. */
  readonly readBefore: { readonly requests: number; readonly bytes: number };
}

/** What was converted. */
export interface ConversionSummary {
  /** What the input is. */
  readonly input: string;
  /** The output directory. */
  readonly output: string;
  /** The architecture's name, or `null` for sizes of its own. */
  readonly architecture: string | null;
  /** The number of parameters of the whole model. */
  readonly parameters: number;
  /** The dtypes of what is written, by torch's names, the most frequent first. */
  readonly dtypes: readonly string[];
  /** The files of the output, and their sizes in bytes. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** The size of the output in bytes. */
  readonly bytes: number;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** Whether the output is complete; it isn't yet while other tasks have work to do. */
  readonly complete: boolean;
  /** The names of files that were finished before. */
  readonly reused: readonly string[];
  /** The names of files that share their blocks with the input. */
  readonly cloned: readonly string[];
  /** What a user should be told. */
  readonly notes: readonly string[];
  /** What went to the store, where the output is in one: the bytes of what was sent again, too. */
  readonly sent?: { readonly requests: number; readonly bytes: number };
  /** What this process read over the network meanwhile, where the input is elsewhere. */
  readonly received?: { readonly requests: number; readonly bytes: number };
}

/**
 * Plans a conversion. Everything that can be wrong with the input is found here, before anything is written.
 *
 * @example Usage
 * ```ts
 * import { planConversion } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const { plan, notes } = await planConversion({ input: "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10", output: "llama" }, "quick");
 * assertEquals(plan.files.map(({ name }) => name), ["consolidated.00.pth", "params.json"]);
 * console.log(notes);
 * ```
 *
 * @param options What to convert.
 * @param depth `"quick"` for a plan that is only to be shown: tensors are taken for the same where their checksums are, or
 * their first megabytes.
 * @returns The conversion.
 * @throws {OptionError} If an option can't be what it is.
 */
export async function planConversion(
  options: Pick<
    ConvertOptions,
    "input" | "output" | "model" | "family" | "ignoreConfig" | "from" | "step" | "task" | keyof OutputOptions
  >,
  depth: "whole" | "quick" = "whole",
): Promise<Conversion> {
  checkOptions({ depth }, { depth: oneOf(["whole", "quick"]) });
  checkConvertOptions(options);
  const readBefore = { requests: traffic.requests, bytes: traffic.bytesRead };
  if (typeof options.tokenizer === "string") await openPlace(options.tokenizer);
  const checkpoint = await findCheckpoint(await openPlace(options.input), options)();
  if (checkpoint.inconvertible !== undefined) throw new FormatError(checkpoint.inconvertible);
  const resolved = resolveModel(checkpoint, options.model, options.family);
  const unknown = checkUnknownFields(resolved, options.to, options.ignoreConfig);
  const facts = await examineWeights(checkpoint, resolved.model, options.to ?? DEFAULT_TARGET, depth);
  // Laying files over their sources is only for making them.
  const bare = checkpoint.shards.map(({ file: _, ...shard }) => shard);
  const planned = depth === "quick" ? { ...checkpoint, shards: bare } : checkpoint;
  const { files, sources = [], notes } = await planOutput(planned, resolved, options, facts);
  const plan: Plan = { files, sources: [...checkpoint.sources, ...sources], known: checkpoint.known };
  checkInputIsSafe(options.output, checkpoint.path, plan);
  // A task that comes late finds the output that the others have finished; writeOutput compares it.
  await checkPlace(plan, options.output, [checkpoint.path], options.task !== undefined);
  return {
    checkpoint,
    resolved,
    // What a GGUF input and a GGUF output say is the same.
    notes: [...new Set([...checkpoint.notes, ...resolved.notes, ...unknown, ...notes])],
    plan,
    depth,
    readBefore,
  };
}

/**
 * Checks the options of a conversion by themselves: what no input can go with.
 *
 * @throws {OptionError} If one can't be what it is, or doesn't go with another.
 */
export function checkConvertOptions(options: ConvertOptions): void {
  checkOptions(options, rules);
  checkOutputOptions(options);
  checkOutputName(options);
  const { model, task, restart = false, output } = options;
  if (model !== undefined && !isModelYaml(model)) cardsNamed(model);
  if (task !== undefined) checkTask(isStore(output) ? output : partialPaths(output).path, restart);
}

/** The output is a directory, where people may expect a file. */
function checkOutputName({ output, to }: Pick<ConvertOptions, "output" | "to">): void {
  checkScheme(output);
  if (to !== "gguf" || !output.endsWith(".gguf")) return;
  throw new OptionError(
    `${output}: is to be a directory, in which there will be model.gguf; name it without .gguf`,
  );
}

/** The directory where the output is built is thrown away by `restart`, so the input may not lie in it. */
function checkInputIsSafe(output: string, path: string, { sources }: Plan): void {
  if (isStore(output)) return;
  const partial = realPathOfNearest(partialPaths(output).path);
  for (const input of [path, ...sources.map((source) => source.path)]) {
    const real = realPathOfNearest(input);
    if (liesIn(real, partial)) {
      throw new OptionError(
        `${output}: would be built in ${output}.partial, where the input is; name another directory`,
      );
    }
  }
}

/**
 * Converts a checkpoint of any layout and family to the reference layout, Meta's, Hugging Face's, fairseq2's or GGUF. The weights
 * are carried over byte for byte, unless a dtype is asked for. Memory stays constant, whatever the size.
 *
 * The output directory appears when it is whole, or not at all.
 *
 * @example Usage
 * ```ts
 * import { convertCheckpoint } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const { architecture, files } = await convertCheckpoint({
 *   input: "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10",
 *   output: `${await Deno.makeTempDir()}/hf`,
 *   to: "huggingface",
 * });
 * assertEquals(architecture, null); // It is a tiny model, of sizes of its own.
 * assertEquals(files.length, 4); // The weights, two configurations, and a model card.
 * ```
 *
 * @param options What to convert, and how.
 * @returns What was converted.
 * @throws {FileError} If something is missing, or can't be read or written.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {MismatchError} If the weights aren't those of the model.
 * @throws {OptionError} If the model is unknown, or an option can't be what it is.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function convertCheckpoint(options: ConvertOptions): Promise<ConversionSummary> {
  const start = performance.now();
  const conversion = await planConversion(options);
  return await runConversion(conversion, options, start);
}

/**
 * Carries out a conversion.
 *
 * @example Usage
 * ```ts
 * import { planConversion, runConversion } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const options = { input: "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10", output: `${await Deno.makeTempDir()}/llama` };
 * const conversion = await planConversion(options);
 * const { complete } = await runConversion(conversion, options);
 * assertEquals(complete, true);
 * ```
 *
 * @param conversion The conversion.
 * @param options How to do it.
 * @param start When the work began, by `performance.now()`.
 * @returns What was converted.
 * @throws {OptionError} If an option can't be what it is.
 */
export async function runConversion(
  conversion: Conversion,
  options: ConvertOptions,
  start: number = performance.now(),
): Promise<ConversionSummary> {
  checkOptions(options, rules);
  if (conversion.depth === "quick") throw new TypeError("Cannot run a conversion that was planned quickly");
  trimMemory();
  const { complete, reused, cloned, files, losses, notes, sent } = await writePlan(
    conversion.plan,
    options.output,
    options,
  );
  const description = describeConversion(conversion, options.output, files);
  return {
    ...description,
    notes: [...description.notes, ...notes, ...lossNotes(losses, options.dtype)],
    seconds: (performance.now() - start) / 1000,
    complete,
    reused,
    cloned,
    ...(sent === undefined ? {} : { sent }),
    ...(conversion.plan.sources.some(({ path }) => isRemote(path)) ? { received: received(conversion) } : {}),
  };
}

function received({ readBefore }: Conversion): { requests: number; bytes: number } {
  return {
    requests: traffic.requests - readBefore.requests,
    bytes: traffic.bytesRead - readBefore.bytes,
  };
}

const NAMED_TENSORS = 3;

/** What a user should be told of numbers that were cast: where they are, those tensors first that have most of them. */
export function lossNotes(losses: readonly CastLoss[], dtype = ""): string[] {
  const note = (what: "infinities" | "nans", verdict: string) => {
    const tensors = losses.filter((loss) => loss[what] > 0).sort((a, b) => b[what] - a[what]);
    if (tensors.length === 0) return [];
    const total = tensors.reduce((sum, loss) => sum + loss[what], 0);
    const named = tensors.slice(0, NAMED_TENSORS).map((loss) => `${loss[what]} in ${loss.tensor}`);
    const more = tensors.length - named.length;
    const numbers = total === 1
      ? "1 number in the files made now is"
      : `${total} numbers in the files made now are`;
    return [`${numbers} ${verdict}: ${named.join(", ")}${more > 0 ? ` and the rest in ${more} more` : ""}`];
  };
  return [
    ...note("infinities", `too large for ${dtype} and became infinite`),
    ...note("nans", "NaN, as in the input"),
  ];
}

/**
 * What a conversion makes.
 *
 * @example Usage
 * ```ts
 * import { describeConversion, planConversion } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const options = { input: "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10", output: "llama" };
 * const { parameters, dtypes } = describeConversion(await planConversion(options, "quick"), options.output);
 * assertEquals([parameters, dtypes], [34080, ["bfloat16"]]);
 * ```
 *
 * @param conversion The conversion.
 * @param output The output directory.
 * @param files The files and their sizes, where they have been made; by default as planned.
 */
export function describeConversion(
  { checkpoint, resolved, notes, plan }: Conversion,
  output: string,
  files: ConversionSummary["files"] = plan.files.map(({ name, size }) => ({ name, bytes: size })),
): Omit<ConversionSummary, "seconds" | "complete" | "reused" | "cloned" | "sent" | "received"> {
  return {
    input: checkpoint.path,
    output,
    architecture: resolved.architecture ?? null,
    parameters: countParameters(checkpoint, resolved),
    dtypes: dtypesOf(plan.files),
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    notes,
  };
}

/** The number of parameters of the whole model: a replicated tensor counts once, and so does a tied matrix. */
function countParameters({ shards }: Checkpoint, { model }: ResolvedModel): number {
  const seen = new Set<Storage>();
  let total = 0;
  shards.forEach(({ parameters }, rank) => {
    for (const [name, tensor] of parameters) {
      if (rank > 0 && shardDimOfName(name, model) === undefined) continue;
      if (isWholeStorage(tensor)) {
        if (seen.has(tensor.storage)) continue;
        seen.add(tensor.storage);
      }
      total += numel(tensor.shape);
    }
  });
  return total;
}
