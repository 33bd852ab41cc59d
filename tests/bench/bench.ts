/**
 * The benchmark: the whole command, start-up included, against its peers, in turn.
 *
 * ```sh
 * deno task bench                                   # in a RAM disk where there is one
 * deno task bench --dir /data --model llama3_8b     # elsewhere, another size
 * deno task bench --loop                            # as root: also inside a loop-mounted ext4 and XFS
 * deno task bench --python venv/bin/python          # also torch, fairseq2 and transformers, as far as it has them
 * ```
 *
 * `--help` lists the options. With what `.ci/peers` makes in `CKPT_PEERS`, GGUF files get LLaMA 3's tokenizer, and
 * llama.cpp's converter is a peer, too. With `CKPT_REMOTE_PYTHON`, S3 is measured against boto3.
 *
 * @module
 */

import { formatBytes } from "../../lib/cli/format.ts";
import { cleaning } from "./cleaning.ts";
import { withLoopMount } from "./loop_mount.ts";
import { makeCheckpoint, type MakeOptions } from "./make_checkpoint.ts";
import { makeNative } from "./make_native.ts";
import { fromS3ToS3 } from "./remote.ts";
import { readOptions } from "./options.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { fastest, type Measured, measureInTurn, median, peak, runOnce, type Subject } from "./measure.ts";

const HELP = `The whole command, start-up included, against its peers, in turn.

  deno task bench [options]

  --model NAME     the architecture of LLaMA's to convert (default: llama3_2_1b)
  --layers N       with so many layers, for something smaller
  --runs N         how many runs of each count (default: 7)
  --dir DIR        where to convert (default: /dev/shm, where there is one)
  --only PART      start, copy, layouts, gguf, stats, remote, ext4 or xfs
  --loop           as root: also inside a loop-mounted ext4 and XFS
  --python PYTHON  also what this Python has of torch, fairseq2 and transformers
  --out FILE       write the table in Markdown
`;

const args = readOptions(HELP, {
  string: ["model", "layers", "runs", "dir", "python", "out", "only"],
  boolean: ["loop"],
});
const model = String(args.model ?? "llama3_2_1b");
const runs = Number(args.runs ?? 7);
const root = new URL("../../", import.meta.url).pathname;
const rows: string[] = [];

/** The heads of the columns, and how wide they are in a terminal. */
const columns = [
  ["work", 44],
  ["command", 20],
  ["fastest", 8],
  ["median", 8],
  ["memory", 8],
  ["peer", 42],
  ["ratio", 5],
  ["of medians", 0],
] as const;

function show(cells: readonly string[]): void {
  console.log(cells.map((cell, i) => cell.padEnd(columns[i]![1])).join("  ").trimEnd());
}

/** The command as a user would give it. */
function ckpt(...rest: string[]): string[] {
  return [Deno.execPath(), "run", "-A", `${root}cli.ts`, ...rest];
}

function report(what: string, subject: Measured, peer?: Measured): void {
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  const ratio = peer === undefined ? "" : `${(fastest(subject) / fastest(peer)).toFixed(2)}`;
  const medians = peer === undefined ? "" : `${(median(subject) / median(peer)).toFixed(2)}`;
  const cells = [
    what,
    subject.name,
    seconds(fastest(subject)),
    seconds(median(subject)),
    formatBytes(peak(subject)),
    peer === undefined ? "" : `${peer.name}: ${seconds(fastest(peer))}, median ${seconds(median(peer))}`,
    ratio,
    medians,
  ];
  rows.push(`| ${cells.join(" | ")} |`);
  show(cells);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // It isn't there.
  }
}

/** Waits until what was written before is on its device, so that no run pays for another's writes. */
async function settle(): Promise<void> {
  await new Deno.Command("sync").output();
}

/** The conversion against `cp` of the same file, on one file system. */
async function againstCp(where: string, directory: string): Promise<void> {
  const layers = args.layers === undefined ? {} : { layers: Number(args.layers) };
  const [source] = makeCheckpoint({ model, directory: `${directory}/in`, fill: "random", ...layers });
  const size = formatBytes(Deno.statSync(source!).size);
  const clean = async () => {
    remove(`${directory}/out`);
    remove(`${directory}/copy`);
    await settle();
  };
  const withJobs = (...jobs: string[]): Subject => ({
    name: ["ckpt", ...jobs].join(" "),
    command: ckpt(
      "llama",
      "convert_checkpoint",
      "--quiet",
      ...jobs,
      `${directory}/in/step_1`,
      `${directory}/out`,
    ),
    prepare: clean,
  });
  const copy: Subject = { name: "cp", command: ["cp", source!, `${directory}/copy`], prepare: clean };
  const [converted, copied, four] = await measureInTurn([withJobs(), copy, withJobs("--jobs", "4")], runs);
  report(`${size}, ${where}`, converted!, copied!);
  report(`${size}, ${where}`, four!, copied!);
  await againstPython(where, directory, source!, size);
  await clean();
  remove(`${directory}/in`);
}

/** Other layouts out of the same weights, against `cp` of the input. */
async function otherLayouts(where: string, directory: string): Promise<void> {
  const rows: readonly (readonly [what: string, make: Omit<MakeOptions, "directory">, options: string[]])[] =
    [
      ["to Hugging Face", { model }, ["--to", "huggingface"]],
      ["to Hugging Face, float32 to bfloat16", { model, dtype: "float32", layers: 8 }, [
        "--to",
        "huggingface",
        "--dtype",
        "bfloat16",
      ]],
      ["8 shards of a 70B's width joined", { model: "llama2_70b", layers: 1, shards: 8 }, ["--shards", "1"]],
      ["a 70B's width split into 8 shards", { model: "llama2_70b", layers: 1 }, ["--shards", "8"]],
    ];
  for (const [what, make, options] of rows) {
    const sources = makeCheckpoint({ ...make, directory: `${directory}/in`, fill: "random" });
    const size = formatBytes(sources.reduce((sum, path) => sum + Deno.statSync(path).size, 0));
    const clean = async () => {
      remove(`${directory}/out`);
      remove(`${directory}/copy`);
      await settle();
    };
    const [converted, copied] = await measureInTurn([
      {
        name: "ckpt",
        command: ckpt(
          "llama",
          "convert_checkpoint",
          "--quiet",
          ...options,
          `${directory}/in/step_1`,
          `${directory}/out`,
        ),
        prepare: clean,
      },
      { name: "cp", command: ["cp", "-r", `${directory}/in/step_1`, `${directory}/copy`], prepare: clean },
    ], runs);
    report(`${size} ${what}, ${where}`, converted!, copied!);
    await clean();
    remove(`${directory}/in`);
  }
}

/** To GGUF, against `cp` of the input and llama.cpp's own converter, which starts from Hugging Face's layout. */
async function toGguf(where: string, directory: string): Promise<void> {
  const peers = Deno.env.get("CKPT_PEERS");
  const tokenizer = peers === undefined
    ? ["--no-tokenizer"]
    : ["--tokenizer", `${peers}/files/llama_models/llama3/tokenizer.model`];
  const layers = args.layers === undefined ? {} : { layers: Number(args.layers) };
  const [source] = makeCheckpoint({ model, directory: `${directory}/in`, fill: "random", ...layers });
  const size = formatBytes(Deno.statSync(source!).size);
  const step = `${directory}/in/step_1`;
  const clean = async () => {
    for (const name of ["out", "copy", "theirs.gguf"]) remove(`${directory}/${name}`);
    await settle();
  };
  const converter = (dtype: string, options = tokenizer): Subject => ({
    name: options === tokenizer ? "ckpt" : "ckpt --no-tokenizer",
    command: ckpt(
      "convert",
      "--quiet",
      "--to",
      "gguf",
      "--dtype",
      dtype,
      ...options,
      step,
      `${directory}/out`,
    ),
    prepare: clean,
  });
  const types = [["bfloat16", "bf16"], ["q8_0", "q8_0"]] as const;
  for (const [dtype] of types) {
    // The same bytes where they are copied, which are fewer than the input's if the matrices are tied; else the input.
    const written = `${directory}/written`;
    if (dtype === "bfloat16") {
      await runOnce({ name: "ckpt", command: [...converter(dtype).command.slice(0, -1), written] });
    }
    const copied = dtype === "bfloat16" ? `${written}/model.gguf` : source!;
    const copy: Subject = {
      name: `cp of ${formatBytes(Deno.statSync(copied).size)}`,
      command: ["cp", copied, `${directory}/copy`],
      prepare: clean,
    };
    const subjects = [converter(dtype, ["--no-tokenizer"]), ...peers === undefined ? [] : [converter(dtype)]];
    const measured = await measureInTurn([copy, ...subjects], runs);
    for (const each of measured.slice(1)) report(`${size} to GGUF, ${dtype}, ${where}`, each, measured[0]!);
    remove(written);
  }
  if (args.python !== undefined && peers !== undefined) {
    const huggingface = `${directory}/hf`;
    await runOnce({
      name: "ckpt",
      command: ckpt("convert", "--quiet", "--to", "huggingface", ...tokenizer, step, huggingface),
    });
    for (const [dtype, type] of types) {
      const script = `${peers}/llama.cpp/convert_hf_to_gguf.py`;
      const options = ["--outtype", type, "--outfile", `${directory}/theirs.gguf`];
      await againstPeers(`${size} to GGUF, ${dtype}, ${where}`, converter(dtype), [{
        name: "llama.cpp's converter",
        command: [
          "env",
          `PYTHONPATH=${peers}/python`,
          String(args.python),
          script,
          huggingface,
          ...options,
        ],
        prepare: clean,
      }]);
    }
    remove(huggingface);
  }
  await clean();
  remove(`${directory}/in`);
}

/** Statistics against reading the file and nothing else, and against torch, which loads it and then computes them. */
async function statistics(where: string, directory: string): Promise<void> {
  const layers = args.layers === undefined ? {} : { layers: Number(args.layers) };
  const [source] = makeCheckpoint({ model, directory: `${directory}/in`, fill: "random", ...layers });
  const size = formatBytes(Deno.statSync(source!).size);
  const [step, copy] = [`${directory}/in/step_1`, `${directory}/copy.pt`];
  Deno.copyFileSync(source!, copy);
  const cat: Subject = { name: "cat > /dev/null", command: ["cat", source!] };
  const subjects: Subject[] = [
    { name: "ckpt stats", command: ckpt("stats", "--quiet", step) },
    { name: "ckpt compare --stats", command: ckpt("compare", "--quiet", "--stats", source!, copy) },
  ];
  if (args.python !== undefined) {
    const load = `import sys, torch; torch.set_num_threads(2); s = torch.load(sys.argv[1])["model"]; `;
    const compute = `
for t in s.values():
    f = t.float(); t.isnan().sum().item(); t.isinf().sum().item(); f.min().item(); f.max().item()
    f.mean().item(); f.std(correction=0).item(); f.norm().item()`;
    for (
      const [name, program] of [["torch, loading", load], ["torch, statistics", load + compute]] as const
    ) {
      subjects.push({ name, command: [String(args.python), "-W", "ignore", "-c", program, source!] });
    }
  }
  const [read, ...measured] = await measureInTurn([cat, ...subjects], runs);
  for (const each of measured) report(`${size}, statistics, ${where}`, each, read!);
  remove(copy);
  remove(`${directory}/in`);
}

/** The conversion against what Python has, as far as the Python that was named has it. */
async function againstPython(where: string, directory: string, source: string, size: string): Promise<void> {
  if (args.python === undefined) return;
  const python = String(args.python);
  const clean = () => remove(`${directory}/out`);
  const convert: Subject = {
    name: "ckpt",
    command: ckpt("llama", "convert_checkpoint", "--quiet", `${directory}/in/step_1`, `${directory}/out`),
    prepare: clean,
  };
  const torch =
    `import sys, torch; s = torch.load(sys.argv[1], map_location="cpu")["model"]; torch.save(dict(s), sys.argv[2])`;
  const peers: Subject[] = [{
    name: "torch.load and torch.save",
    command: [python, "-W", "ignore", "-c", torch, source, `${directory}/out`],
    prepare: clean,
  }];
  const fairseq2 = python.replace(/[^/]*$/, "fairseq2");
  if (exists(fairseq2)) {
    peers.push({
      name: "fairseq2",
      command: [
        fairseq2,
        "llama",
        "convert_checkpoint",
        "--model",
        model,
        `${directory}/in/step_1`,
        `${directory}/out`,
      ],
      prepare: clean,
    });
  }
  await againstPeers(`${size}, ${where}`, convert, peers);
  await againstTransformers(`${size} to Hugging Face, ${where}`, directory, python);
}

async function againstPeers(what: string, subject: Subject, peers: readonly Subject[]): Promise<void> {
  for (const peer of peers) {
    const [converted, other] = await measureInTurn([subject, peer], runs);
    report(what, converted!, other!);
    report(`${what}, the peer itself`, other!);
  }
}

/** Hugging Face's script, which wants the reference layout; without its tokenizer, which isn't part of the weights. */
async function againstTransformers(what: string, directory: string, python: string): Promise<void> {
  const script = "transformers.models.llama.convert_llama_weights_to_hf";
  const has = await new Deno.Command(python, {
    args: ["-c", `import ${script}`],
    stdout: "null",
    stderr: "null",
  }).output();
  if (!has.success) return;
  const reference = `${directory}/reference`;
  const clean = () => remove(`${directory}/out`);
  await runOnce({
    name: "ckpt",
    command: ckpt("llama", "convert_checkpoint", `${directory}/in/step_1`, reference),
  });
  const vocabulary = findArchitecture(model, "llama").vocabSize;
  const program = `import sys; from ${script} import write_model; ` +
    `write_model(sys.argv[2], sys.argv[1], num_shards=1, llama_version="3.2", vocab_size=${vocabulary})`;
  await againstPeers(what, {
    name: "ckpt",
    command: ckpt(
      "llama",
      "convert_checkpoint",
      "--quiet",
      "--to",
      "huggingface",
      reference,
      `${directory}/out`,
    ),
    prepare: clean,
  }, [{
    name: "transformers' script",
    command: [python, "-W", "ignore", "-c", program, reference, `${directory}/out`],
    prepare: clean,
  }]);
  clean();
  remove(reference);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** From S3 to S3, where there is a Python with boto3. */
async function remote(directory: string): Promise<void> {
  const python = Deno.env.get("CKPT_REMOTE_PYTHON");
  if (python === undefined) return;
  const layers = args.layers === undefined ? {} : { layers: Number(args.layers) };
  const make = { model, fill: "random", ...layers } as const;
  const { bytes, measured } = await fromS3ToS3(directory, { make, python, ckpt, runs, remove });
  const [plain, inTurn, delayed] = measured;
  report(`${formatBytes(bytes)}, S3 to S3`, plain!, inTurn!);
  report(`${formatBytes(bytes)}, S3 to S3, requests delayed`, delayed!, plain!);
}

/** What doesn't depend on the disk. */
async function startUp(directory: string): Promise<void> {
  const [help] = await measureInTurn([{ name: "--help", command: ckpt("--help") }], runs);
  report("start-up", help!);
  makeCheckpoint({ model: "llama3_1_405b", shards: 8, directory: `${directory}/405b` });
  const input = `${directory}/405b/step_1`;
  const measured = await measureInTurn([
    {
      name: "--dry-run",
      command: ckpt("llama", "convert_checkpoint", "--dry-run", input, `${directory}/none`),
    },
    { name: "inspect", command: ckpt("inspect", input) },
  ], runs);
  for (const each of measured) report("405B in 8 shards (812 GB, sparse)", each);
  remove(`${directory}/405b`);
  for (const [family, model, shards] of LARGEST) {
    const input = `${directory}/${model}`;
    const paths = makeNative({ family, model, shards, directory: input });
    const size = formatBytes(paths.reduce((sum, path) => sum + Deno.statSync(path).size, 0));
    const [planned] = await measureInTurn([{
      name: "--dry-run",
      command: ckpt("convert", "--dry-run", `${input}/step_1`, `${directory}/none`),
    }], runs);
    report(`${model} of ${family} in ${shards} shards (${size}, sparse)`, planned!);
    remove(input);
  }
}

/** The largest of the other families, in as many shards as divide their vocabularies. */
const LARGEST = [
  ["qwen", "qwen25_32b", 8],
  ["qwen", "qwen3_32b", 8],
  ["mistral", "7b", 8],
  ["olmo", "olmo2_32b", 8],
  ["olmo", "olmo3_32b", 2],
] as const;

/** Cloning, where the file system can. */
async function cloning(directory: string): Promise<void> {
  makeCheckpoint({ model: "llama3_1_405b", shards: 8, directory: `${directory}/405b` });
  const [cloned] = await measureInTurn([{
    name: "ckpt",
    command: ckpt("llama", "convert_checkpoint", "--quiet", `${directory}/405b/step_1`, `${directory}/out`),
    prepare: () => remove(`${directory}/out`),
  }], runs);
  report("405B in 8 shards (812 GB, sparse), XFS", cloned!);
  remove(`${directory}/out`);
  remove(`${directory}/405b`);
}

const base = String(args.dir ?? (exists("/dev/shm") ? "/dev/shm" : Deno.makeTempDirSync()));
const directory = Deno.makeTempDirSync({ dir: base, prefix: "ckpt-bench-" });
show(columns.map(([head]) => head));
await cleaning(async () => {
  const wants = (part: string) => args.only === undefined || args.only === part;
  if (wants("start")) await startUp(directory);
  const where = base === "/dev/shm" ? "RAM disk" : base;
  if (wants("copy")) await againstCp(where, directory);
  if (wants("layouts")) await otherLayouts(where, directory);
  if (wants("gguf")) await toGguf(where, directory);
  if (wants("stats")) await statistics(where, directory);
  if (wants("remote")) await remote(directory);
  if (args.loop && wants("ext4")) await withLoopMount("ext4", 12, (mounted) => againstCp("ext4", mounted));
  if (args.loop && wants("xfs")) {
    await withLoopMount("xfs", 12, async (mounted) => {
      await againstCp("XFS", mounted);
      await cloning(mounted);
    });
  }
}, () => remove(directory));

const table = [
  "| work | command | fastest | median | peak memory | peer | ratio of fastest | ratio of medians |",
  "|---|---|---|---|---|---|---|---|",
  ...rows,
  "",
].join("\n");
console.log(`\n${table}`);
if (args.out !== undefined) Deno.writeTextFileSync(String(args.out), table);
