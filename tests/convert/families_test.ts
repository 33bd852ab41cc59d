/**
 * Qwen, Mistral and OLMo to Hugging Face and back. fairseq2 wrote the checkpoints; its logits and its own converters'
 * weights, torch, safetensors and transformers judge what becomes of them, where `CKPT_PYTHON` names a Python with
 * them, and `CKPT_PYTHON_457` one with transformers 4.57.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { ckpt } from "../_ckpt.ts";
import { readState } from "../_native.ts";
import { python, runPython, transformersPythons } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { dtypeOfCase, familyCases, filesOf, shardDims } from "./_families.ts";

const ignore = python() === undefined;

/** The largest error that is allowed, relative to the largest logit. */
const TOLERANCE = 1e-5;

const PROGRAM = join(import.meta.dirname!, "_families.py");

/** Runs the judge; `undefined` where Python has no transformers. */
async function judge<T>(
  jobs: readonly unknown[],
  path?: string,
): Promise<{ version: number[]; results: T[] } | undefined> {
  const printed: [string, T[]] | null = JSON.parse(
    await runPython(Deno.readTextFileSync(PROGRAM), [JSON.stringify(jobs)], path),
  );
  if (printed === null) return undefined;
  const [version, results] = printed;
  return { version: version.split(".").map(Number), results };
}

interface HuggingFaceResult {
  readonly class: string;
  readonly dtype: string;
  readonly config: readonly string[];
  readonly tensors: readonly string[];
  readonly refused?: string;
  readonly tied?: boolean;
  readonly error?: number;
}

for (const { variable, path } of transformersPythons) {
  Deno.test({
    name:
      `convertCheckpoint() makes what transformers computes fairseq2's logits with, of every family (${variable})`,
    ignore: path === undefined,
    async fn() {
      using temp = new TempDir();
      const jobs = [];
      for (const each of familyCases) {
        const { step, config, weights, logits } = filesOf(each);
        const output = temp.at(each.name);
        await convertCheckpoint({ input: step, output, to: "huggingface", clone: false });
        jobs.push({ kind: "huggingface", path: output, config, weights, logits });
      }
      const judged = await judge<HuggingFaceResult>(jobs, path);
      if (judged === undefined) return; // This Python has torch, but not transformers.
      const [major = 0, minor = 0] = judged.version;
      if (variable === "CKPT_PYTHON_457") assertEquals([major, minor], [4, 57]);
      for (
        const [i, { class: kind, dtype, config, tensors, refused, tied, error }] of judged.results.entries()
      ) {
        const each = familyCases[i]!;
        assertEquals([kind, dtype], [`${each.class}Config`, dtypeOfCase(each)], each.name);
        assertEquals({ config, tensors }, { config: [], tensors: [] }, each.name);
        // Its OLMo 3 of 4.57 turns sliding layers without YaRN; it is to refuse rather than to compute something else.
        if (major < 5 && each.limit !== undefined) assert(refused?.includes("NoneType"), each.name);
        else {
          assertEquals([refused, tied], [undefined, each.tied], each.name);
          const isIgnored = each.limit === "truncate" && (major > 5 || minor >= 13);
          if (!isIgnored) assert(error! <= TOLERANCE, `${each.name}: the logits differ by ${error}`);
        }
      }
    },
  });
}

interface NativeResult {
  readonly shards: number;
  readonly config: readonly string[];
  readonly tensors: readonly string[];
  readonly order: boolean;
}

Deno.test({
  name:
    "convertCheckpoint() brings every family back from Hugging Face bit for bit, in shards as fairseq2 splits",
  ignore,
  async fn() {
    using temp = new TempDir();
    const jobs = [];
    const expected: [string, NativeResult][] = [];
    for (const each of familyCases) {
      const { step, root } = filesOf(each);
      const middle = temp.at(`${each.name}_hf`);
      await convertCheckpoint({ input: step, output: middle, to: "huggingface", clone: false });
      for (const shards of each.shards) {
        const path = temp.at(`${each.name}_${shards}`);
        await convertCheckpoint({
          input: middle,
          output: path,
          to: "fairseq2",
          layout: "native",
          shards,
          clone: false,
        });
        jobs.push({ kind: "native", path, source: root, sharded: shardDims(each.family) });
        expected.push([each.name, { shards, config: [], tensors: [], order: true }]);
      }
    }
    const judged = await judge<NativeResult>(jobs);
    if (judged === undefined) return;
    assertEquals(judged.results.map((result, i) => [expected[i]![0], result]), expected);
  },
});

Deno.test("convertCheckpoint() keeps OLMo's tokens through fairseq2's own layout, and says so", async () => {
  using temp = new TempDir();
  const path = (name: string) => join(temp.at(name), "config.json");
  const { step } = filesOf(familyCases.find(({ name }) => name === "olmo2_bf16")!);
  await convertCheckpoint({ input: step, output: temp.at("hf"), to: "huggingface" });
  Deno.removeSync(join(temp.at("hf"), "generation_config.json"));
  const tokens = { bos_token_id: 3, eos_token_id: 5, pad_token_id: 7 };
  const config = { ...JSON.parse(Deno.readTextFileSync(path("hf"))), ...tokens };
  Deno.writeTextFileSync(path("hf"), JSON.stringify(config));
  const native = await convertCheckpoint({
    input: temp.at("hf"),
    output: temp.at("native"),
    to: "fairseq2",
    layout: "native",
  });
  assertEquals(native.notes.filter((note) => note.includes("tokens")), []);
  await convertCheckpoint({ input: temp.at("native"), output: temp.at("back"), to: "huggingface" });
  const { bos_token_id, eos_token_id, pad_token_id } = JSON.parse(Deno.readTextFileSync(path("back")));
  assertEquals({ bos_token_id, eos_token_id, pad_token_id }, tokens);
});

/** The tensors of a safetensors file: dtype, shape and bytes by name. */
function readSafetensors(path: string): Map<string, { dtype: string; shape: number[]; bytes: Uint8Array }> {
  const file = Deno.readFileSync(path);
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON
    .parse(
      new TextDecoder().decode(file.subarray(8, 8 + length)),
    );
  delete header.__metadata__;
  return new Map(
    Object.entries(header).sort(([a], [b]) => a < b ? -1 : 1).map(
      ([name, { dtype, shape, data_offsets }]) => {
        const [start, end] = data_offsets.map((at) => at + 8 + length);
        return [name, { dtype, shape, bytes: file.subarray(start, end) }];
      },
    ),
  );
}

for (const each of familyCases) {
  Deno.test(`convertCheckpoint() makes of ${each.name} what fairseq2's own converter does, and brings it back`, async () => {
    using temp = new TempDir();
    const { step, weights } = filesOf(each);
    const [middle, back] = [temp.at("hf"), temp.at("back")];
    await convertCheckpoint({ input: step, output: middle, to: "huggingface", clone: false });
    assertEquals(readSafetensors(join(middle, "model.safetensors")), readSafetensors(weights));
    await convertCheckpoint({
      input: middle,
      output: back,
      to: "fairseq2",
      layout: "native",
      shards: 1,
      clone: false,
    });
    const whole = (root: string, name: string) => join(root, name, "model", "pp_00", "tp_00", "sdp_00.pt");
    // The others are compared by torch, which joins them.
    if (!/_(?:tp|fsdp)[0-9]/.test(each.name)) {
      const expected = await readState(whole(step, "."));
      const actual = await readState(whole(back, "step_1"));
      assertEquals([...actual.keys()], [...expected.keys()]);
      assertEquals(actual, expected);
    }
  });
}

for (const each of familyCases.filter(({ name }, i) => i === 0 || /^(?:mistral|olmo3)_bf16$/.test(name))) {
  Deno.test(`ckpt convert makes a Hugging Face directory of ${each.name}`, async () => {
    using temp = new TempDir();
    const { step } = filesOf(each);
    await convertCheckpoint({ input: step, output: temp.at("library"), to: "huggingface", clone: false });
    const { code, stderr } = await ckpt(["convert", step, temp.at("program")]);
    assertEquals(code, 0, stderr);
    assertEquals(temp.names("program"), temp.names("library"));
    for (const name of temp.names("program")) {
      assertEquals(
        Deno.readFileSync(temp.at(`program/${name}`)),
        Deno.readFileSync(temp.at(`library/${name}`)),
        name,
      );
    }
  });
}
