/** Runs `ckpt compare`. */

import {
  compareCheckpoints,
  type Comparison,
  type TensorDifference,
  type TensorForm,
} from "../inspect/compare.ts";
import type { TensorMovement } from "../inspect/movement.ts";
import { MAX_JOBS } from "../options.ts";
import { targets } from "../convert/target.ts";
import type { Arguments, Context } from "./command.ts";
import { fold, hanging } from "./fold.ts";
import { foldLayers } from "../inspect/layer_names.ts";
import { shortNumber } from "../words.ts";
import { layerTable, levelBelow } from "./layer_table.ts";
import { checkPage, pagePaths, writePage } from "./page_file.ts";
import { requestPaths } from "./permissions.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print } from "./print.ts";
import { showProgress } from "./progress.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";

/** The exit code for checkpoints that differ. */
const DIFFERENT = 1;

/** How many differences are shown; JSON has them all. */
const SHOWN = 20;

/** So many differences speak for themselves. */
const FEW = 20;

/** How many of the tensors that moved the furthest are shown. */
const FURTHEST = 5;

export async function runCompare(args: Arguments, { signal }: Context): Promise<number> {
  const [a, b] = args.positionals as [string, string];
  const tolerance = parseTolerance(args);
  const [fromA, fromB = fromA] = args.choices("from", targets);
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const [quiet, statistics] = [args.flag("quiet"), args.flag("stats")];
  const html = args.value("html");
  if (html !== undefined && !statistics) args.fail("Option --html needs --stats");
  await requestPaths({ read: [a, b, ...pagePaths(html)], write: pagePaths(html), checkpoints: [a, b] });
  checkPage(html);
  let comparison: Comparison;
  {
    using progress = showProgress(quiet);
    comparison = await compareCheckpoints(a, b, {
      signal,
      jobs,
      tolerance,
      statistics,
      from: fromB === undefined ? undefined : [fromA!, fromB],
      onProgress: (bytes, totalBytes) => progress.update({ bytes, totalBytes, files: 0, totalFiles: 1 }),
    });
  }
  if (args.flag("json")) {
    const { statistics: tensors, ...rest } = comparison;
    print(compactJson(tensors === undefined ? rest : { ...rest, tensors }));
  } else if (!quiet) {
    print(describe(comparison, tolerance, styleFor(Deno.stdout), widthOf(Deno.stdout)).join("\n"));
  }
  await writePage(html, () => ({ comparison }));
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
  const { equal, a, b, tensors, differences, notes, statistics } = comparison;
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
  // What is the same of several layers is said once.
  const folded = foldLayers(differences, (each) => [each.name, kindOf(each)])
    .map(({ name, items }) => ({ ...items[0]!, name: oneLine(name), times: items.length }));
  const shown = folded.slice(0, SHOWN);
  const width = shown.reduce((most, { name }) => Math.max(most, name.length), 0);
  const more = differences.length - shown.reduce((sum, { times }) => sum + times, 0);
  return [
    verdict,
    side("a", a),
    side("b", b),
    ...notes.flatMap((note) => hanging(`  ${style.yellow("note:")} `, 8, oneLine(note), columns)),
    ...(tolerance === undefined ? commonLines(comparison, columns, style) : []),
    ...shown.flatMap((difference) => {
      const { name } = difference;
      const words = inWords(difference) + (difference.tolerated ? " (within the tolerance)" : "");
      return columns - width - 4 >= Math.min(LEAST_WORDS, words.length)
        ? hanging(`  ${name.padEnd(width)}  `, width + 4, words, columns)
        : [`  ${name}`, ...fold(words, columns - 4).map((line) => `    ${line}`)];
    }),
    ...(more > 0 ? [`  and ${more} more; --json has them all`] : []),
    ...(!equal && tolerance === undefined &&
        differences.some(({ what }) => what === "bits" || what === "dtype") && statistics === undefined
      ? [style.dim("  --stats and --tolerance X show how far the numbers differ")]
      : []),
    ...(statistics === undefined ? [] : movementLines(statistics, columns, style)),
  ];
}

/** What is said of a tensor. How far numbers are apart is said of each. */
function kindOf({ name, what, a, b }: TensorDifference): string {
  return JSON.stringify([what, a, b, what === "values" ? name : ""]);
}

/** What two models have in common that differ in much, and why they do. */
function commonLines(
  { differences, tensors, statistics }: Comparison,
  columns: number,
  style: Style,
): string[] {
  if (differences.length <= FEW) return [];
  const count = (...kinds: TensorDifference["what"][]) =>
    differences.filter(({ what }) => kinds.includes(what)).length;
  const [missing, shape, dtype, bits] = [
    count("missing"),
    count("shape"),
    count("dtype"),
    count("bits", "values"),
  ];
  const same = tensors - shape - dtype - bits;
  const shares = [
    `${tensors} tensors of the same names`,
    ...(shape === 0 ? ["all of the same shapes"] : [`${tensors - shape} of the same shapes`]),
    ...(same === 0 ? ["none with the same bits"] : [`${same} with the same bits`]),
  ];
  const dtypes = new Set(
    differences.flatMap(({ what, a, b }) =>
      what === "dtype" ? [`${stored(a!)} in a, ${stored(b!)} in b`] : []
    ),
  );
  const whole = (of: number, text: string) => of === 0 ? [] : [`${of === tensors ? "all" : of} ${text}`];
  const why = [
    ...(missing === 0 ? [] : [`${missing} only in one of them`]),
    ...whole(shape, "of other shapes"),
    ...whole(dtype, `of another dtype (${[...dtypes].join("; ")})`),
    ...whole(bits, "have other numbers"),
  ];
  const moved = statistics?.filter(({ relativeL2 }) => (relativeL2 ?? 0) > 0).length;
  return [
    ...hanging(`  ${style.dim("share")}   `, 10, shares.join(", "), columns),
    ...hanging(`  ${style.dim("differ")}  `, 10, why.join(", "), columns),
    ...(moved === undefined ? [] : [`  ${style.dim("moved")}   ${moved} of ${tensors} tensors`]),
  ];
}

/** A share of equal numbers. 100 % are all of them, never nearly all. */
function equalText(share: number): string {
  return `${Math.min(100 * share, share < 1 ? 99.9 : 100).toFixed(1)} %`;
}

/** How far tensors have moved: a table by layers, and those that moved the furthest. */
function movementLines(movements: readonly TensorMovement[], columns: number, style: Style): string[] {
  const largest = movements.reduce((most, { relativeL2 }) => Math.max(most, relativeL2 ?? 0), 0);
  const isWrong = ({ nonFinite }: TensorMovement) => (nonFinite ?? 0) > 0;
  const furthest = movements.filter(({ relativeL2 }) => (relativeL2 ?? 0) > 0)
    .toSorted((x, y) => y.relativeL2! - x.relativeL2!).slice(0, FURTHEST);
  return [
    "",
    ...movements.filter(isWrong).slice(0, SHOWN).flatMap(({ name, nonFinite }) =>
      hanging(`  ${style.red("!")} `, 4, `${oneLine(name)}: ${nonFinite} pairs with NaN or Inf`, columns)
    ),
    ...furthest.flatMap(({ name, relativeL2, maxAbsDiff, cosine, equalShare }) =>
      hanging(
        "  ",
        4,
        `${oneLine(name)}: relative L2 ${shortNumber(relativeL2!)}, |Δ| up to ${shortNumber(maxAbsDiff!)}${
          cosine === null ? "" : `, cosine ${cosine.toFixed(6)}`
        }, ${equalText(equalShare!)} equal`,
        columns,
      )
    ),
    ...(furthest.length === 0 ? [] : [""]),
    ...layerTable(
      movements.map((each) => ({ name: each.name, value: each.relativeL2, isWrong: isWrong(each) })),
      "relative L2, by layers",
      levelBelow(largest),
      columns,
      style,
    ),
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
