/** Runs `ckpt compare`. */

import {
  compareCheckpoints,
  type Comparison,
  type TensorDifference,
  type TensorForm,
} from "../inspect/compare.ts";
import { MAX_JOBS } from "../options.ts";
import { targets } from "../convert/target.ts";
import type { Arguments, Context } from "./command.ts";
import { fold, hanging } from "./fold.ts";
import { requestPaths } from "./permissions.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print } from "./print.ts";
import { showProgress } from "./progress.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";

/** The exit code for checkpoints that differ. */
const DIFFERENT = 1;

/** How many differences are shown; JSON has them all. */
const SHOWN = 20;

export async function runCompare(args: Arguments, { signal }: Context): Promise<number> {
  const [a, b] = args.positionals as [string, string];
  const tolerance = parseTolerance(args);
  const [fromA, fromB = fromA] = args.choices("from", targets);
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const quiet = args.flag("quiet");
  await requestPaths({ read: [a, b], checkpoints: [a, b] });
  let comparison: Comparison;
  {
    using progress = showProgress(quiet);
    comparison = await compareCheckpoints(a, b, {
      signal,
      jobs,
      tolerance,
      from: fromB === undefined ? undefined : [fromA!, fromB],
      onProgress: (bytes, totalBytes) => progress.update({ bytes, totalBytes, files: 0, totalFiles: 1 }),
    });
  }
  if (args.flag("json")) print(compactJson(comparison));
  else if (!quiet) {
    print(describe(comparison, tolerance, styleFor(Deno.stdout), widthOf(Deno.stdout)).join("\n"));
  }
  return comparison.equal ? 0 : DIFFERENT;
}

function parseTolerance(args: Arguments): number | undefined {
  const value = args.value("tolerance");
  if (value === undefined) return undefined;
  const tolerance = Number(value);
  if (value.trim() !== "" && tolerance >= 0) return tolerance;
  return args.fail(`Option --tolerance needs a number from 0, got ${JSON.stringify(value)}`);
}

/** The narrowest column for what is said of a tensor. */
const LEAST_WORDS = 30;

function describe(
  comparison: Comparison,
  tolerance: number | undefined,
  style: Style,
  columns: number,
): string[] {
  const { equal, a, b, tensors, differences, notes } = comparison;
  const counted = differences.filter(({ tolerated }) => !tolerated).length;
  const what = `${tensors} tensor${tensors === 1 ? "" : "s"}`;
  const verdict = equal
    ? differences.length === 0
      ? `${style.green("The same:")} ${what}, bit for bit`
      : `${
        style.green("The same")
      } within ${tolerance}: ${what}, ${differences.length} of which differ in bits or dtype`
    : `${style.red("Different:")} ${counted} of the tensors`;
  const side = (name: string, { path, kind }: Comparison["a"]) =>
    `  ${style.dim(name.padEnd(3))}${oneLine(path)} ${style.dim(`(${kind})`)}`;
  const shown = differences.slice(0, SHOWN);
  const width = shown.reduce((most, { name }) => Math.max(most, name.length), 0);
  const more = differences.length - shown.length;
  return [
    verdict,
    side("a", a),
    side("b", b),
    ...notes.flatMap((note) => hanging(`  ${style.yellow("note:")} `, 8, oneLine(note), columns)),
    ...shown.flatMap((difference) => {
      const words = inWords(difference) + (difference.tolerated ? " (within the tolerance)" : "");
      const name = oneLine(difference.name);
      return columns - width - 4 >= Math.min(LEAST_WORDS, words.length)
        ? hanging(`  ${name.padEnd(width)}  `, width + 4, words, columns)
        : [`  ${name}`, ...fold(words, columns - 4).map((line) => `    ${line}`)];
    }),
    ...(more > 0 ? [`  and ${more} more; --json has them all`] : []),
    ...(!equal && tolerance === undefined &&
        differences.some(({ what }) => what === "bits" || what === "dtype")
      ? [style.dim("  --tolerance X shows how far the numbers differ")]
      : []),
  ];
}

function inWords({ what, a, b, largest }: TensorDifference): string {
  switch (what) {
    case "missing":
      return a === null ? `only in b: ${form(b!)}` : `only in a: ${form(a)}`;
    case "shape":
      return `[${a!.shape.join(", ")}] in a, [${b!.shape.join(", ")}] in b`;
    case "dtype":
      return `${stored(a!)} in a, ${stored(b!)} in b`;
    case "bits":
      return `other bits: ${form(a!)}`;
    case "values":
      return largest === null
        ? "numbers that can't be compared: one is infinite or none, or the dtype isn't known or can't be undone"
        : `up to ${Number(largest!.toPrecision(4))} apart${
          a!.dtype === b!.dtype ? "" : ` (${stored(a!)}, ${stored(b!)})`
        }`;
  }
}

function form(tensor: TensorForm): string {
  return `${stored(tensor)} [${tensor.shape.join(", ")}]`;
}

/** What a tensor is in its file. */
function stored({ dtype, quantization = dtype }: TensorForm): string {
  return quantization;
}
