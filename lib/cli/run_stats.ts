/** Runs `ckpt stats`. */

import { describeDamage, hasDamage } from "../inspect/damaged_values.ts";
import { inspect } from "../inspect/inspect.ts";
import { outstanding } from "../inspect/outstanding.ts";
import { statistics, type TensorStatistics } from "../inspect/statistics.ts";
import { MAX_JOBS } from "../options.ts";
import { shortNumber } from "../words.ts";
import { targets } from "../convert/target.ts";
import type { Arguments, Context } from "./command.ts";
import { hanging } from "./fold.ts";
import { formatCount } from "./format.ts";
import { histogramLine, layerTable, levelBesideMedian } from "./layer_table.ts";
import { checkPage, pagePaths, writePage } from "./page_file.ts";
import { requestPaths } from "./permissions.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print } from "./print.ts";
import { showProgress } from "./progress.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";

/** The exit code where there is what `--fail-on` names. */
const FOUND = 1;

/** What `--fail-on` may name. */
const FAILURES = {
  nan: ({ nan }: TensorStatistics) => (nan ?? 0) > 0,
  inf: ({ inf }: TensorStatistics) => (inf ?? 0) > 0,
  "zero-rows": ({ zeroRows }: TensorStatistics) => (zeroRows ?? 0) > 0,
} as const;

/** How many tensors that stand out are shown. */
const SHOWN = 12;

export async function runStats(args: Arguments, { signal }: Context): Promise<number> {
  const [path] = args.positionals as [string];
  const from = args.choice("from", targets);
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const failures = parseFailures(args);
  const [json, quiet, all] = [args.flag("json"), args.flag("quiet"), args.flag("all")];
  const html = args.value("html");
  await requestPaths({ read: [path, ...pagePaths(html)], write: pagePaths(html), checkpoints: [path] });
  checkPage(html);
  const tensors: TensorStatistics[] = [];
  {
    using progress = showProgress(quiet);
    const options = {
      ...{ signal, jobs, from },
      onProgress: (bytes: number, totalBytes: number) =>
        progress.update({ bytes, totalBytes, files: 0, totalFiles: 1 }),
    };
    for await (const tensor of statistics(path, options)) tensors.push(tensor);
  }
  if (json) print(compactJson({ path, tensors }));
  else if (!quiet) {
    const [style, columns] = [styleFor(Deno.stdout), widthOf(Deno.stdout)];
    print([
      ...headLines(path, tensors, style),
      ...outstandingLines(tensors, columns, style),
      "",
      ...(all ? tensorLines(tensors, columns, style) : layerTable(
        tensors.map((tensor) => ({ name: tensor.name, value: tensor.std, isWrong: hasDamage(tensor) })),
        "std, by layers",
        levelBesideMedian,
        columns,
        style,
      )),
    ].join("\n"));
  }
  await writePage(html, async () => ({
    title: path,
    inspection: await inspect(path, { from }),
    statistics: tensors,
  }));
  return tensors.some((tensor) => failures.some((fails) => fails(tensor))) ? FOUND : 0;
}

function parseFailures(args: Arguments): ((tensor: TensorStatistics) => boolean)[] {
  const words = args.value("fail-on")?.split(",") ?? [];
  return words.map((word) => {
    const found = Object.entries(FAILURES).find(([name]) => name === word.trim());
    return found?.[1] ?? args.fail(
      `Option --fail-on needs ${Object.keys(FAILURES).join(", ")}, or several, got ${JSON.stringify(word)}`,
    );
  });
}

function headLines(path: string, tensors: readonly TensorStatistics[], style: Style): string[] {
  const total = (of: (tensor: TensorStatistics) => number | null) =>
    tensors.reduce((sum, tensor) => sum + (of(tensor) ?? 0), 0);
  const dtypes = [...new Set(tensors.map(({ dtype }) => oneLine(dtype)))].join(" and ");
  const [nan, inf] = [total((each) => each.nan), total((each) => each.inf)];
  const unread = tensors.filter((each) => each.nan === null).length;
  return [
    `${style.bold(oneLine(path))}  ${tensors.length} tensors, ${
      formatCount(total((each) => each.count))
    } numbers${dtypes === "" ? "" : `, ${dtypes}`}`,
    nan + inf === 0 ? `  ${style.green("no NaN, no Inf")}` : `  ${style.red(`${nan} NaN, ${inf} Inf`)}`,
    ...(unread === 0 ? [] : [`  ${unread} of the tensors have no numbers that ckpt can read`]),
  ];
}

function outstandingLines(tensors: readonly TensorStatistics[], columns: number, style: Style): string[] {
  const found = outstanding(tensors);
  const more = found.length - SHOWN;
  return [
    ...found.slice(0, SHOWN).flatMap(({ name, text, isWrong }) => {
      const mark = isWrong ? style.red("!") : style.yellow("?");
      return hanging(`  ${mark} `, 4, `${oneLine(name)}: ${text}`, columns);
    }),
    ...(more > 0 ? [`    and ${more} more that stand out; --json has all statistics`] : []),
  ];
}

/** Every tensor: on one line where it fits, with a histogram. */
function tensorLines(tensors: readonly TensorStatistics[], columns: number, style: Style): string[] {
  const longest = tensors.reduce((most, { name }) => Math.max(most, [...oneLine(name)].length), 0);
  const isWide = 2 + longest + 4 * 14 + 20 <= columns;
  return tensors.flatMap((tensor) => {
    const { histogram, dtype, shape } = tensor;
    const name = oneLine(tensor.name);
    const plainForm = `${oneLine(dtype)} [${shape.join(", ")}]`;
    const form = style.dim(plainForm);
    const isShort = 2 + [...name].length + 2 + plainForm.length <= columns;
    if (histogram === null) return [`  ${name}`, `    ${form}, whose numbers ckpt can't read`];
    const numbers = (["mean", "std", "min", "max"] as const).map((key) => {
      const value = tensor[key];
      return `${style.dim(key)} ${(value === null ? "" : shortNumber(value)).padEnd(8)}`;
    }).join(" ");
    const counts = histogram.positive.map((count, i) => count + histogram.negative[i]!);
    const last = histogram.firstExponent + counts.length - 1;
    const bars = style.cyan(histogramLine(counts, 16));
    const exponents = counts.length === 0 ? "" : `2^${histogram.firstExponent} ${bars} 2^${last}`;
    const damage = hasDamage(tensor) ? [`    ${style.red(describeDamage(tensor))}`] : [];
    return isWide ? [`  ${name.padEnd(longest)}  ${numbers} ${exponents}`.trimEnd(), ...damage] : [
      ...(isShort ? [`  ${name}  ${form}`] : [`  ${name}`, `    ${form}`]),
      `    ${numbers}`.trimEnd(),
      `    ${exponents}`.trimEnd(),
      ...damage,
    ];
  });
}
