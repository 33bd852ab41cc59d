/**
 * Every published size of every family, as sparse files of full size: a dry run of each, and its conversion to Hugging
 * Face's layout, in seconds and in memory.
 *
 * ```sh
 * deno task bench:sizes                   # as root, on Linux: in a RAM disk
 * deno task bench:sizes --family olmo
 * ```
 *
 * `--help` lists the options. The input takes no room. Of the output, holes are made in each
 * file that is finished (by util-linux's `fallocate`), so that it takes no more than two or three.
 *
 * @module
 */

import { formatBytes } from "../../lib/cli/format.ts";
import { families } from "../../lib/models/families.ts";
import { makeCheckpoint } from "./make_checkpoint.ts";
import { makeNative } from "./make_native.ts";
import { cleaning } from "./cleaning.ts";
import { readOptions } from "./options.ts";
import { fastest, measureInTurn, peak, runOnce } from "./measure.ts";

const HELP = `Every published size of every family, as sparse files of full size: a dry run of each, and its
conversion to Hugging Face's layout, in seconds and in memory. Needs root and Linux: it mounts a RAM disk.

  deno task bench:sizes [options]

  --family NAME   the sizes of this family alone: ${families.map(({ name }) => name).join(", ")}
  --model NAME    this size alone
  --jobs N        how many workers ckpt copies with
`;

const args = readOptions(HELP, { string: ["family", "model", "jobs"] });
const root = new URL("../../", import.meta.url).pathname;

/** LLaMA's shards as Meta published them. All else is made in one. */
const SHARDS: Readonly<Record<string, number>> = {
  "13b": 2,
  "33b": 4,
  "65b": 8,
  llama2_70b: 8,
  llama3_70b: 8,
  llama3_1_70b: 8,
  llama3_1_405b: 8,
};

function ckpt(...rest: string[]): string[] {
  const jobs = args.jobs === undefined ? [] : ["--jobs", String(args.jobs)];
  return [Deno.execPath(), "run", "-A", `${root}cli.ts`, "convert", "--quiet", ...jobs, ...rest];
}

async function call(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

/** Frees the room of files as they come to be in a directory. */
async function makeHoles(directory: string, signal: AbortSignal): Promise<void> {
  const seen = new Set<string>();
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const name of namesIn(directory)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const length = String(2 ** 40); // More than any has.
      await call("fallocate", "--punch-hole", "--offset", "0", "--length", length, `${directory}/${name}`)
        .catch(() => {}); // All files were moved to their place just now.
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return []; // It isn't there yet, or no more.
  }
}

async function measure(family: string, model: string, directory: string): Promise<string> {
  const shards = family === "llama" ? SHARDS[model] ?? 1 : 1;
  const native = model === "mistral_7b" ? "7b" : model;
  const paths = family === "llama"
    ? makeCheckpoint({ model, shards, directory })
    : makeNative({ family, model: native, shards, directory });
  const bytes = paths.reduce((sum, path) => sum + Deno.statSync(path).size, 0);
  const [input, output] = [`${directory}/step_1`, `${directory}/out`];
  const [planned] = await measureInTurn(
    [{ name: "--dry-run", command: ckpt("--dry-run", input, output) }],
    3,
  );
  const ended = new AbortController();
  const holes = makeHoles(`${output}.partial/files`, ended.signal);
  const converted = await runOnce({ name: model, command: ckpt(input, output) });
  ended.abort();
  await holes;
  const cells = [
    `\`${model}\``,
    shards,
    formatBytes(bytes),
    `${fastest(planned!).toFixed(2)} s, ${formatBytes(peak(planned!))}`,
    `${converted.seconds.toFixed(1)} s, ${formatBytes(converted.peakBytes)}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

console.log("| model | shards | size | `--dry-run` | conversion |\n| --- | --- | --- | --- | --- |");
const disk = Deno.makeTempDirSync({ prefix: "ckpt-sizes-" });
// As large as no memory is, so that ckpt finds room enough.
await call("mount", "-t", "tmpfs", "-o", "size=4T", "ckpt-sizes", disk);
await cleaning(async () => {
  for (const { name: family, architectures } of families) {
    for (const { name } of architectures) {
      if ((args.family ?? family) !== family || (args.model ?? name) !== name) continue;
      const directory = `${disk}/${name}`;
      console.log(await measure(family, name, directory));
      Deno.removeSync(directory, { recursive: true });
    }
  }
}, () => {
  new Deno.Command("umount", { args: [disk] }).outputSync();
  Deno.removeSync(disk);
});
