/** Runs `ckpt tensors convert`. */

import { castTypes } from "../bytes/view.ts";
import { targets } from "../convert/target.ts";
import { CancelledError, OptionError } from "../error.ts";
import { parseShardSize } from "../layouts/huggingface/weight_shards.ts";
import { dtypesOf } from "../layouts/planned_output.ts";
import { MAX_JOBS } from "../options.ts";
import { formatOf, planTensors, type TensorConversion } from "../tensors/convert_tensors.ts";
import { describeSave, runSave } from "../tensors/save.ts";
import type { Arguments, Context } from "./command.ts";
import { formatBytes, formatSeconds } from "./format.ts";
import { outputPaths, requestPaths } from "./permissions.ts";
import { oneLine, plainJson } from "./plain_text.ts";
import { print } from "./print.ts";
import { showProgress } from "./progress.ts";
import { fact, tensorLines } from "./summary.ts";
import { styleFor } from "./terminal.ts";

export async function runConvertTensors(args: Arguments, { signal }: Context): Promise<number> {
  const [input, output] = args.positionals as [string, string];
  const [json, quiet, isDryRun] = [args.flag("json"), args.flag("quiet"), args.flag("dry-run")];
  const size = args.value("max-shard-size");
  const maxShardSize = size === undefined ? undefined : parsed(args, () => parseShardSize(size));
  parsed(args, () => formatOf(output, maxShardSize !== undefined));
  const rename = args.values("rename");
  const only = args.values("only");
  const options = {
    input,
    output,
    key: args.value("key")?.replace(/^\.$/, ""), // The root; an option can't be empty.
    from: args.choice("from", targets),
    step: args.number("step", 0, Number.MAX_SAFE_INTEGER),
    only: only.length > 0 ? only : undefined,
    drop: args.values("drop"),
    rename: rename.length > 0 ? new Map(rename.map((each) => parseRename(args, each))) : undefined,
    dtype: args.choice("dtype", castTypes),
    maxShardSize,
  };
  const jobs = args.number("jobs", 1, MAX_JOBS);
  await requestPaths({
    read: [input, ...outputPaths(output)],
    write: isDryRun ? [] : outputPaths(output),
  });
  const start = performance.now();
  const conversion = await planTensors(options);
  if (signal.aborted) throw new CancelledError("Cancelled");
  const { save, tensors } = conversion;
  const dtypes = dtypesOf(save.plan.files);
  const style = styleFor(Deno.stdout);
  if (isDryRun) {
    printDryRun(conversion, input, output, { json, quiet });
    return 0;
  }
  const copying = {
    clone: args.flag("clone"),
    verify: args.flag("verify"),
    sync: args.flag("sync"),
    jobs,
    signal,
  };
  let saved;
  {
    using progress = showProgress(quiet);
    saved = await runSave(save, output, tensors, { ...copying, onProgress: progress.update });
  }
  const { path: _, ...facts } = saved;
  const seconds = (performance.now() - start) / 1000;
  const done = `${output} is whole`;
  if (json) {
    print(plainJson({ input, output, ...facts, dtypes, seconds }), done);
  } else if (!quiet) {
    const lines = [
      `${style.green("Converted")} ${oneLine(input)} to ${style.bold(oneLine(output))}`,
      ...fact("tensors", `${saved.tensors}, ${dtypes.join(" and ")}`, style),
      ...(save.isDirectory ? fact("files", saved.files.map(({ name }) => name).join(", "), style) : []),
      ...fact("bytes", `${formatBytes(saved.bytes)} in ${formatSeconds(seconds)}`, style),
      ...saved.notes.flatMap((note) => fact("note", note, style)),
    ];
    print(lines.join("\n"), done);
  }
  return 0;
}

function printDryRun(
  { save, tensors, names }: TensorConversion,
  input: string,
  output: string,
  { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
): void {
  const { path: _, ...facts } = describeSave(save, output, tensors);
  const before = new Map([...tensors.keys()].map((name, i) => [name, names[i]!]));
  const files = save.plan.files.map(({ name, size, tensors }) => ({
    name,
    bytes: size,
    tensors: tensors.map((tensor) => ({ ...tensor, from: before.get(tensor.to) ?? tensor.to })),
  }));
  const dtypes = dtypesOf(save.plan.files);
  if (json) {
    print(plainJson({ dryRun: true, input, output, ...facts, dtypes, files }));
    return;
  }
  if (quiet) return;
  const style = styleFor(Deno.stdout);
  const lines = [
    `Would convert ${oneLine(input)} to ${style.bold(oneLine(output))}`,
    ...fact("tensors", `${facts.tensors}, ${dtypes.join(" and ")}`, style),
    ...fact("bytes", formatBytes(facts.bytes), style),
    ...facts.notes.flatMap((note) => fact("note", note, style)),
  ];
  for (const { name, bytes, tensors } of files) {
    lines.push("", `${style.bold(oneLine(name))}  ${formatBytes(bytes)}`);
    for (const { from, to, dtype, shape, bytes } of tensors) {
      const what = `${dtype} [${shape.join(", ")}]  ${formatBytes(bytes)}`;
      lines.push(...tensorLines(oneLine(from), oneLine(to), what, style));
    }
  }
  print(lines.join("\n"));
}

/** A new name and the old one. No tensor's name has an equals sign. */
function parseRename(args: Arguments, text: string): [from: string, to: string] {
  const at = text.indexOf("=");
  const [from, to] = [text.slice(0, at), text.slice(at + 1)];
  return at > 0 && to !== "" ? [from, to] : args.fail(
    `Option --rename needs an old name and a new one, as in a.*=b.*, got ${JSON.stringify(text)}`,
  );
}

/** What an option's value says; one that can't be is bad usage. */
function parsed<T>(args: Arguments, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof OptionError) args.fail(error.message);
    throw error;
  }
}
