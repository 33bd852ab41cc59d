/**
 * Whole conversions of damaged checkpoints: one file of a real checkpoint is damaged, and the conversion planned, and now
 * and then carried out.
 *
 * @module
 */

import { dirname, join } from "../../lib/deps.ts";
import { planConversion, runConversion } from "../../lib/convert/convert_checkpoint.ts";
import type { OutputOptions } from "../../lib/convert/target.ts";
import { copyTree } from "../_temp.ts";
import { mutate } from "./_mutator.ts";
import { FIXTURES } from "./_seeds.ts";
import type { Target } from "./_targets.ts";
import { mutateTorch, type TorchSeed, torchSeed } from "./_torch_mutator.ts";

/** Checkpoints, and what in them is the input. */
const cases: readonly (readonly [name: string, input: string])[] = [
  ["fairseq2_native/fsdp1_bf16", "checkpoints/step_20"],
  ["checkpoints/fairseq2-0.3.0/llama3_bf16_tp2", "step_10"],
  ["checkpoints/fairseq2-0.8.1/llama3_bf16_fsdp3", "checkpoints"],
  ["checkpoints/expected/fairseq2-0.4.5/llama3_bf16_tp2/reference", "."],
  ["huggingface/transformers-4.46.3/sharded", "."],
  ["torch_legacy/fairseq2", "step_10"],
];

const options: readonly OutputOptions[] = [
  {},
  { to: "huggingface" },
  { to: "huggingface", dtype: "float32", maxShardSize: 20000 },
  { to: "meta" },
  { to: "reference", shards: 2 },
  { to: "fairseq2" },
  { to: "fairseq2", layout: "native", shards: 2 },
];

/** A file of a checkpoint. */
interface Member {
  readonly path: string;
  readonly input: string;
  readonly content: Uint8Array;
  readonly torch: TorchSeed | undefined;
}

/** How many conversions are planned for each one that is carried out. */
const PLANS_PER_RUN = 16;

/** Makes the target. Its files are in memory where the system has a place for that. */
export function planTarget(share = 0.6): Target & Disposable {
  let parent: string | undefined;
  try {
    if (Deno.statSync("/dev/shm").isDirectory) parent = "/dev/shm";
  } catch { /* A disk will do. */ }
  const root = Deno.makeTempDirSync({
    prefix: "ckpt_fuzz_",
    ...(parent === undefined ? {} : { dir: parent }),
  });
  const members: Member[] = [];
  for (const [name, input] of cases) {
    const at = join(root, String(members.length), "run");
    copyTree(join(FIXTURES, name), at);
    for (const path of files(at)) {
      const content = Deno.readFileSync(path);
      const torch = /\.pth?$/.test(path) ? torchSeed(content) : undefined;
      members.push({ path, input: join(at, input), content, torch });
    }
  }
  let member = members[0]!;
  let option = options[0]!;
  let planned = 0;
  return {
    name: "conversion",
    share,
    make(random) {
      member = random.pick(members);
      option = random.pick(options);
      const { content, torch } = member;
      return torch === undefined
        ? mutate(random, content, { others: [random.pick(members).content] })
        : mutateTorch(random, [torch]);
    },
    async run(mutant) {
      const { path, input, content } = member;
      Deno.writeFileSync(path, mutant);
      const output = join(root, "out");
      try {
        const all = { input, output, ...option };
        const conversion = await planConversion(all);
        if (planned++ % PLANS_PER_RUN === 0 && bytesOf(conversion.plan.files) < 1e7) {
          await runConversion(conversion, { ...all, jobs: 1, verify: true });
        }
      } finally {
        for (const left of ["out", "out.partial"]) {
          try {
            Deno.removeSync(join(root, left), { recursive: true });
          } catch { /* It was never made. */ }
        }
        Deno.mkdirSync(dirname(path), { recursive: true });
        Deno.writeFileSync(path, content);
      }
    },
    [Symbol.dispose]() {
      try {
        Deno.removeSync(root, { recursive: true });
      } catch { /* It is gone already. */ }
    },
  };
}

function bytesOf(files: readonly { readonly size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function* files(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) yield* files(join(directory, name));
    else yield join(directory, name);
  }
}
