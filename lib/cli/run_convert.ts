/** Runs `ckpt convert` and `ckpt llama convert_checkpoint`. */

import { formatBytes } from "../bytes/format_bytes.ts";
import type { Plan } from "../copy/plan.ts";
import { CancelledError } from "../error.ts";
import { isStore } from "../output/output.ts";
import { MAX_JOBS } from "../options.ts";
import { shareOf, type Task } from "../output/output_directory.ts";
import {
  checkConvertOptions,
  describeConversion,
  planConversion,
  runConversion,
} from "../convert/convert_checkpoint.ts";
import { isModelYaml } from "../convert/resolve_model.ts";
import { MAX_SHARDS } from "../models/limits.ts";
import { parseShardSize } from "../layouts/huggingface/weight_shards.ts";
import { dtypes, layouts, type OutputOptions, type Target, targets } from "../convert/target.ts";
import type { Arguments, Context } from "./command.ts";
import { outputPaths, requestPaths, requestStore } from "./permissions.ts";
import { showProgress } from "./progress.ts";
import { printDryRun, printSummary } from "./summary.ts";

/** What is converted where the options say nothing else. */
interface Defaults {
  readonly to: Target;
  /** The name of the family that all checkpoints have to be of; any by default. */
  readonly family?: string;
}

export async function runConvert(
  args: Arguments,
  { signal }: Context,
  defaults: Defaults,
): Promise<number> {
  const [input, output] = args.positionals as [string, string];
  const model = args.value("model");
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const step = args.number("step", 0, Number.MAX_SAFE_INTEGER);
  const shards = args.number("shards", 1, MAX_SHARDS);
  const task = parseTask(args);
  const quiet = args.flag("quiet");
  const json = args.flag("json");
  const tokenizer = args.value("tokenizer");
  const isDryRun = args.flag("dry-run");
  const options = {
    ...defaults,
    input,
    output,
    clone: args.flag("clone"),
    verify: args.flag("verify"),
    sync: args.flag("sync"),
    restart: args.flag("restart"),
    signal,
    model,
    jobs,
    step,
    shards,
    task,
    ignoreConfig: args.values("ignore-config"),
    from: args.choice("from", targets),
    ...outputOptions(args, defaults.to),
  };
  args.check(() => checkConvertOptions(options));
  // LLaMA's reference layout says nothing that only a model.yaml knows, once the model is named.
  const isSaid = model !== undefined && defaults.family !== undefined &&
    (args.value("to") ?? defaults.to) === "reference";
  await requestPaths({
    read: [
      input,
      ...(model !== undefined && isModelYaml(model) ? [model] : []),
      ...(tokenizer === undefined ? [] : [tokenizer]),
      ...outputPaths(output),
    ],
    write: isDryRun ? [] : outputPaths(output),
    checkpoints: isSaid ? [] : [input],
  });
  if (isStore(output)) await requestStore(output);
  const start = performance.now();

  const conversion = await planConversion(options, isDryRun ? "quick" : "whole");
  if (signal.aborted) throw new CancelledError("Cancelled");
  if (isDryRun) {
    printDryRun(conversion, describeConversion(conversion, output), { json, quiet });
    return 0;
  }
  let summary;
  {
    using progress = showProgress(quiet);
    summary = await runConversion(conversion, { ...options, onProgress: progress.update }, start);
  }
  printSummary(summary, task && shareText(conversion.plan, task), { json, quiet });
  return 0;
}

/** The options that say what is to be written, and the layout that it is by default. */
function outputOptions(args: Arguments, to: Target): OutputOptions {
  const size = args.value("max-shard-size");
  const tokenizer = args.value("tokenizer");
  if (tokenizer !== undefined && args.flag("no-tokenizer")) {
    args.fail("Options --tokenizer and --no-tokenizer contradict each other");
  }
  return {
    to: args.choice("to", targets) ?? to,
    dtype: args.choice("dtype", dtypes),
    layout: args.choice("layout", layouts),
    maxShardSize: size === undefined ? undefined : args.check(() => parseShardSize(size)),
    tokenizer: args.flag("no-tokenizer") ? false : tokenizer,
    tokenizerPre: args.value("tokenizer-pre"),
    instruct: args.flag("instruct"),
    card: args.flag("card"),
  };
}

/** How much of a plan a task is to make. */
function shareText(plan: Plan, task: Task): string {
  const share = shareOf(plan, task);
  const size = (files: readonly { readonly size: number }[]) =>
    formatBytes(files.reduce((sum, file) => sum + file.size, 0));
  return `${task.index} of ${task.count}: ${share.length} of ${plan.files.length} files, ` +
    `${size(share)} of ${size(plan.files)}`;
}

function parseTask(args: Arguments): Task | undefined {
  const value = args.value("task");
  if (value === undefined) return undefined;
  const match = /^(\d+)\/(\d+)$/.exec(value);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  return match !== null && index >= 1 && index <= count
    ? { index, count }
    : args.fail(`Option --task needs a share such as 3/8, counted from 1, got ${JSON.stringify(value)}`);
}
