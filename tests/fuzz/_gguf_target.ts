/**
 * Models in damaged GGUF files: looked at, verified, and converted. What is converted has to be a model with which nothing
 * is wrong, and the same one afterwards.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CheckpointError } from "../../lib/error.ts";
import { convertCheckpoint, planConversion, runConversion } from "../../lib/convert/convert_checkpoint.ts";
import type { OutputOptions } from "../../lib/convert/target.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { readGguf } from "../../lib/gguf/read.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { mutate } from "./_mutator.ts";
import { FIXTURES } from "./_seeds.ts";
import type { Target } from "./_targets.ts";

/** Checkpoints, and how they become GGUF. */
const cases: readonly (readonly [name: string, options: OutputOptions])[] = [
  ["fairseq2-0.3.0/llama3_bf16", { dtype: "q8_0" }],
  ["fairseq2-0.8.1/llama3_bf16_tied", {}],
  ["fairseq2-0.8.1/qwen25_bf16", {}],
  ["fairseq2-0.8.1/qwen3_fp32_fsdp2", {}],
  ["fairseq2-0.8.1/olmo3_bf16", {}],
];

const targets: readonly OutputOptions[] = [
  { to: "huggingface", tokenizer: false },
  { to: "gguf", tokenizer: false },
  { to: "fairseq2" },
];

const words = [
  ..."general.alignment general.type split.no split.count llama. qwen2. olmo2. block_count rope.scaling.type yarn blk.0."
    .split(" "),
].map((word) => new TextEncoder().encode(word));

/** How many conversions are planned for each one that is carried out. */
const PLANS_PER_RUN = 4;

/** A seed: a file, and where the table ends in it. */
interface Seed {
  readonly file: Uint8Array;
  readonly to: number;
}

/** Makes the target, whose files are in a temporary directory. */
export async function ggufTarget(share = 1): Promise<Target & Disposable> {
  const root = Deno.makeTempDirSync({ prefix: "ckpt_fuzz_" });
  const seeds: Seed[] = [];
  for (const [name, options] of cases) {
    const output = join(root, String(seeds.length));
    const input = join(FIXTURES, "checkpoints", name);
    await convertCheckpoint({ input, output, to: "gguf", tokenizer: false, ...options });
    const path = join(output, "model.gguf");
    using source = FileSource.open(path);
    const { tensors } = await readGguf(source);
    seeds.push({ file: Deno.readFileSync(path), to: tensors[0]!.offset });
  }
  let option = targets[0]!;
  let planned = 0;
  return {
    name: "gguf model",
    share,
    make(random) {
      option = random.pick(targets);
      const { file, to } = random.pick(seeds);
      return mutate(random, file, { others: [random.pick(seeds).file.subarray(0, to)], words, from: 0, to });
    },
    async run(mutant) {
      const [path, output] = [join(root, "model.gguf"), join(root, "out")];
      Deno.writeFileSync(path, mutant);
      const { format, layout } = await inspect(path);
      const { ok, model } = await verifyCheckpoint(path, { jobs: 1 });
      try {
        const all = { input: path, output, ...option };
        const conversion = await planConversion(all);
        assertEquals([format, layout, model?.problem], ["gguf", "gguf", undefined]);
        if (!ok || planned++ % PLANS_PER_RUN !== 0) return;
        await runConversion(conversion, { ...all, jobs: 1 });
        const { differences } = await compareCheckpoints(path, output, { jobs: 1 });
        // A layout may have no number for something; what the tensors are it has.
        assertEquals(differences, []);
      } catch (error) {
        // A file that is read and shown needn't be a model.
        if (!(error instanceof CheckpointError)) throw error;
      } finally {
        Deno.removeSync(path);
        try {
          Deno.removeSync(output, { recursive: true });
        } catch { /* It was never made. */ }
      }
    },
    [Symbol.dispose]() {
      try {
        Deno.removeSync(root, { recursive: true });
      } catch { /* It is gone already. */ }
    },
  };
}
