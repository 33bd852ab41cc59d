/**
 * Checkpoints that were converted, loaded by the libraries that they are for: transformers, Meta's llama-models and
 * fairseq2, where they are installed in the Python that `CKPT_PYTHON` names.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { fairseq2Files, type Fairseq2Options } from "../../lib/layouts/fairseq2/write.ts";
import { referenceFiles } from "../../lib/layouts/reference/write.ts";
import { areMatricesTied } from "../../lib/layouts/same_values.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { python, runPython, transformersPythons } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { cases, openCase, wholeParameters, writeFiles, writeHuggingFace } from "./_layouts.ts";
import { FAIRSEQ2, LLAMA_MODELS, TRANSFORMERS } from "./_python_programs.ts";

const ignore = python() === undefined;

/** The logits that fairseq2 computed, or `undefined` where none were kept. */
function logitsOf(name: string): string | undefined {
  const path = join(CHECKPOINTS, "expected", name, "logits.pt");
  try {
    return Deno.statSync(path).isFile ? path : undefined;
  } catch {
    return undefined;
  }
}

const withLogits = cases.filter((name) => logitsOf(name) !== undefined);

/** The largest error that is allowed, relative to the largest logit. */
const TOLERANCE = 1e-5;

for (const { variable, path } of transformersPythons) {
  Deno.test({
    name:
      `huggingFaceFiles() writes models that compute the same logits in transformers as in fairseq2 (${variable})`,
    ignore: path === undefined,
    async fn() {
      assertEquals(withLogits.length, 7);
      using temp = new TempDir();
      const args: string[] = [];
      const expected: [string, boolean][] = [];
      for (const [i, name] of withLogits.entries()) {
        const opened = await openCase(name);
        for (const maxShardSize of [5e9, 20000]) {
          const output = temp.at(`${i}-${maxShardSize}`);
          await writeHuggingFace(opened, output, { maxShardSize });
          args.push(output, logitsOf(name)!);
          const dtype = name.includes("bf16") ? "bfloat16" : name.includes("fp16") ? "float16" : "float32";
          expected.push([dtype, name.endsWith("tied")]);
        }
      }
      const found: [number, string, boolean][] | null = JSON.parse(await runPython(TRANSFORMERS, args, path));
      if (found === null) return; // This Python has torch, but not transformers.
      assertEquals(found.map(([, dtype, tied]) => [dtype, tied]), expected);
      for (const [i, [error]] of found.entries()) assert(error < TOLERANCE, `${args[2 * i + 1]}: ${error}`);
    },
  });
}

Deno.test({
  name: "referenceFiles() writes models that compute the same logits in llama-models as in fairseq2",
  ignore,
  async fn() {
    using temp = new TempDir();
    const args: string[] = [];
    const agreeing: boolean[] = [];
    for (const [i, name] of withLogits.entries()) {
      const { checkpoint, model } = await openCase(name);
      for (const shards of [1, 2]) {
        // Its loader joins the embeddings of LLaMA 3 alone.
        if (shards > 1 && model.embeddingShardDim === 1) continue;
        const path = temp.at(`${i}-${shards}`);
        const { files, notes } = referenceFiles(checkpoint, model, "meta", { shards });
        writeFiles(files, path);
        args.push(path, logitsOf(name)!);
        // Meta's code takes 4 where fairseq2 0.3 takes 5: those can't agree, which the command says.
        const agrees = !name.startsWith("fairseq2-0.3.0/llama3");
        assertEquals(notes.length, agrees ? 0 : 1);
        agreeing.push(agrees);
      }
    }
    const found: number[] | null = JSON.parse(await runPython(LLAMA_MODELS, args));
    if (found === null) return; // This Python has torch, but not llama-models and fairscale.
    assertEquals([found.length, agreeing.filter((agrees) => agrees).length], [13, 9]);
    for (const [i, error] of found.entries()) {
      assert((error < TOLERANCE) === agreeing[i] && error < 1e-4, `${args[2 * i + 1]}: ${error}`);
    }
  },
});

type Choice = Omit<Fairseq2Options, "tied" | "architecture">;

const choices: readonly Choice[] = [
  { layout: "legacy" },
  { layout: "legacy", versions: "0.2-0.3" },
  { layout: "legacy", versions: "0.4" },
  { layout: "native" },
];

/** Whether a version of fairseq2 loads a checkpoint that was written for some versions. */
function loads(generation: string, { versions }: Choice, name: string): boolean {
  if (generation === "0.8") return true;
  if (versions !== undefined) return versions === (generation === "0.3" ? "0.2-0.3" : "0.4");
  // For RoPE that 0.3 alone scales like this, model.yaml is for 0.3 alone.
  return generation === "0.3" || !name.startsWith("fairseq2-0.3.0/llama3");
}

/** Whether a version of fairseq2 can scale RoPE as the version that wrote a checkpoint: 0.3 has numbers of its own. */
function computesTheSame(generation: string, name: string): boolean {
  return generation !== "0.3" || name.includes("llama2") || name.startsWith("fairseq2-0.3.0");
}

Deno.test({
  name: "fairseq2Files() writes models that fairseq2 loads, and that compute the same logits",
  ignore,
  async fn() {
    using temp = new TempDir();
    const args: string[] = [];
    const made: (readonly [Choice, string])[] = [];
    for (const [i, name] of cases.entries()) {
      const opened = await openCase(name);
      const tied = await areMatricesTied(wholeParameters(opened));
      for (const choice of choices) {
        for (const shards of [1, 2]) {
          const path = temp.at(`${i}-${choice.layout}-${choice.versions}-${shards}`);
          const options = { ...choice, shards, tied };
          writeFiles(fairseq2Files(opened.checkpoint, opened.model, options).files, path);
          args.push(path, logitsOf(name) ?? "");
          made.push([choice, name]);
        }
      }
    }
    const answer: [string, (number | string)[]] | null = JSON.parse(await runPython(FAIRSEQ2, args));
    if (answer === null) return; // This Python has torch, but not fairseq2.
    const [generation, results] = answer;
    assertEquals(results.length, made.length);
    for (const [i, result] of results.entries()) {
      const [choice, name] = made[i]!;
      const what = `${name} for ${choice.layout} ${choice.versions} in fairseq2 ${generation}`;
      if ((choice.layout === "native") !== (generation === "0.8")) {
        assertEquals(result, "other layout", what);
      } else if (!loads(generation, choice, name)) {
        assert(typeof result === "string", `${what}: loaded`);
      } else {
        assert(typeof result === "number", `${what}: ${result}`);
        if (computesTheSame(generation, name)) assert(Number(result) < TOLERANCE, `${what}: ${result}`);
      }
    }
  },
});
