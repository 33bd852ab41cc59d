/** GGUF both ways; what llama.cpp itself makes of it is another test's. */

import { assertEquals, assertRejects } from "@std/assert";
import { FileSource } from "../../lib/bytes/source.ts";
import { convertCheckpoint, planConversion } from "../../lib/convert/convert_checkpoint.ts";
import { openCheckpoint } from "../../lib/convert/open_checkpoint.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { layoutGguf } from "../../lib/gguf/layout.ts";
import { readGguf } from "../../lib/gguf/read.ts";
import type { GgufValue } from "../../lib/gguf/value.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { TempDir } from "../_temp.ts";
import { FormatError, MismatchError, OptionError } from "../../lib/error.ts";
import { join } from "../../lib/deps.ts";
import { stepOf } from "./_layouts.ts";

const LLAMA = stepOf("fairseq2-0.8.1/llama3_bf16");
const SINGLE = stepOf("fairseq2-0.8.1/llama3_fp32_tp2_fsdp2");

/** Writes a file anew with other metadata, or other tensors. */
async function rewritten(
  path: string,
  output: string,
  change: (metadata: Map<string, GgufValue>) => void,
): Promise<string> {
  using source = FileSource.open(path);
  const { metadata, tensors } = await readGguf(source);
  const changed = new Map(metadata);
  change(changed);
  const laidOut = layoutGguf(
    "model.gguf",
    changed,
    tensors.map(({ name, type, shape, offset, bytes: size }) => ({
      name,
      type,
      shape,
      data: bytes(path, offset, size!),
    })),
  );
  await writeOutput({ files: [{ ...laidOut, tensors: [] }], sources: [source.identity], known: [] }, output);
  return `${output}/model.gguf`;
}

Deno.test("a GGUF file's metadata go along into another, and are said to be lost elsewhere", async () => {
  using temp = new TempDir();
  await convertCheckpoint({ input: LLAMA, output: temp.at("a"), to: "gguf", tokenizer: false });
  const licensed = await rewritten(temp.at("a", "model.gguf"), temp.at("b"), (metadata) => {
    metadata.set("general.license", { type: "string", value: "mit" });
    metadata.set("general.name", { type: "string", value: "Mine" });
    metadata.set("general.file_type", { type: "uint32", value: 1 });
  });
  await convertCheckpoint({
    input: licensed,
    output: temp.at("c"),
    to: "gguf",
    tokenizer: false,
    dtype: "q8_0",
  });
  using source = FileSource.open(temp.at("c", "model.gguf"));
  const { metadata } = await readGguf(source);
  const value = (key: string) => {
    const found = metadata.get(key);
    return found === undefined || found.type === "array" ? undefined : found.value;
  };
  assertEquals(
    ["license", "name", "file_type", "size_label"].map((key) => value(`general.${key}`)),
    ["mit", "Mine", 7, "34K"],
  );
  const { notes } = await planConversion({ input: licensed, output: temp.at("d"), to: "huggingface" });
  assertEquals(notes.filter((note) => note.includes("general.")), [
    "general.license doesn't go along; ckpt inspect shows what the file says",
  ]);
});

Deno.test("vectors are the matrices' dtype again where that loses nothing, and else stay float32, all of them", async () => {
  using temp = new TempDir();
  for (
    const [input, dtype, expected] of [[LLAMA, undefined, "bfloat16"], [
      SINGLE,
      "bfloat16",
      "float32",
    ]] as const
  ) {
    const output = temp.at(expected);
    await convertCheckpoint({ input, output, to: "gguf", tokenizer: false, dtype });
    const { shards, notes } = await openCheckpoint(output);
    const vectors = [...shards[0]!.parameters.values()].filter(({ shape }) => shape.length === 1);
    assertEquals(new Set(vectors.map(({ dtype }) => dtype.name)), new Set([expected]));
    assertEquals(
      notes,
      expected === "bfloat16" ? [] : [
        "vectors stay float32, since decoder.layers.0.self_attn_layer_norm.weight has numbers that bfloat16 hasn't got",
      ],
    );
  }
});

Deno.test("a GGUF file of a model that can't be converted is refused, with the key that says so", async () => {
  using temp = new TempDir();
  await convertCheckpoint({ input: LLAMA, output: temp.at("a"), to: "gguf", tokenizer: false });
  const cases: readonly (readonly [key: string, value: GgufValue | undefined, problem: string])[] = [
    [
      "general.architecture",
      { type: "string", value: "gemma3" },
      'general.architecture: is "gemma3", and only',
    ],
    ["general.architecture", undefined, "general.architecture: missing, so what model it is isn't known"],
    ["llama.block_count", undefined, "llama.block_count: missing, expected a positive integer"],
    ["llama.expert_count", { type: "uint32", value: 8 }, "llama.expert_count: expected 0, got 8"],
    ["llama.logit_scale", { type: "float32", value: 2 }, "llama.logit_scale: unknown field with the value 2"],
    [
      "llama.rope.scaling.type",
      { type: "string", value: "yarn" },
      'llama.rope.scaling.type: is "yarn", which',
    ],
    ["llama.rope.scaling.factor", { type: "float32", value: 2 }, "llama.rope.scaling.factor: unknown field"],
    ["llama.rope.dimension_count", { type: "uint32", value: 4 }, "llama.rope.dimension_count: expected 8"],
    [
      "llama.attention.head_count_kv",
      { type: "uint32", value: 3 },
      "llama.attention.head_count_kv: 3 key and",
    ],
    ["split.count", { type: "uint16", value: 2 }, "says that it is part 1 of 2, but is named as part 1 of 1"],
  ];
  for (const [i, [key, value, problem]] of cases.entries()) {
    const path = await rewritten(temp.at("a", "model.gguf"), temp.at(String(i)), (metadata) => {
      if (value === undefined) metadata.delete(key);
      else metadata.set(key, value);
    });
    await assertRejects(() => openCheckpoint(path), FormatError, `${path}: ${problem}`);
  }
});

Deno.test("ids of tokens that have no row are passed over, as llama.cpp does", async () => {
  using temp = new TempDir();
  await convertCheckpoint({ input: LLAMA, output: temp.at("a"), to: "gguf", tokenizer: false });
  const path = await rewritten(temp.at("a", "model.gguf"), temp.at("b"), (metadata) => {
    for (const [role, value] of Object.entries({ bos: 49, eos: 50, eot: 7, padding: 2 ** 32 - 1 })) {
      metadata.set(`tokenizer.ggml.${role}_token_id`, { type: "uint32", value });
    }
  });
  const { bosId, eosIds, padId } = (await openCheckpoint(path)).model!;
  assertEquals([bosId, eosIds, padId], [49, [7], undefined]);
});

Deno.test("GGUF needs a tokenizer, unless none is wanted; and a quantization is GGUF's alone", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  await assertRejects(
    () => planConversion({ input: LLAMA, output, to: "gguf" }),
    OptionError,
    `llama.cpp can't run a model without its tokenizer, and ${LLAMA} has none: give --tokenizer `,
  );
  await assertRejects(
    () => planConversion({ input: LLAMA, output, to: "huggingface", dtype: "q8_0" }),
    OptionError,
    "The huggingface layout has no --dtype q8_0; it goes with gguf",
  );
  const file = temp.at("model.gguf");
  await assertRejects(
    () => planConversion({ input: LLAMA, output: file, to: "gguf", tokenizer: false }),
    OptionError,
    `${file}: is to be a directory, in which there will be model.gguf; name it without .gguf`,
  );
});

Deno.test("a name of rules for a tokenizer that isn't converted is refused", async () => {
  using temp = new TempDir();
  await convertCheckpoint({ input: LLAMA, output: temp.at("a"), to: "gguf", tokenizer: false });
  const file = await rewritten(temp.at("a", "model.gguf"), temp.at("b"), (metadata) => {
    const values = Array.from({ length: 50 }, (_, id) => `t${id}`);
    metadata.set("tokenizer.ggml.tokens", { type: "array", items: "string", values });
  });
  const refused = async (input: string, tokenizer: false | undefined, why: string) => {
    const error = await assertRejects(
      () => planConversion({ input, output: temp.at("c"), to: "gguf", tokenizer, tokenizerPre: "qwen2" }),
      OptionError,
    );
    assertEquals(
      error.message,
      `--tokenizer-pre is for a tokenizer that is converted, and ${why}; leave it out`,
    );
  };
  await refused(LLAMA, false, "there is none");
  await refused(file, undefined, `that of ${file} goes along as it is`);
});

Deno.test("a Mistral in GGUF is a LLaMA, as llama.cpp has it, unless it is named", async () => {
  using temp = new TempDir();
  const input = stepOf("fairseq2-0.8.1/mistral_bf16");
  await convertCheckpoint({ input, output: temp.at("gguf"), to: "gguf", tokenizer: false });
  const planned = async (model?: string) =>
    await planConversion({ input: temp.at("gguf"), output: temp.at("out"), to: "huggingface", model });
  assertEquals((await planned()).resolved.model.family, "llama");
  const { resolved } = await planned(join(input, "..", "model.yaml"));
  assertEquals([resolved.model.family, resolved.model.slidingWindow], ["mistral", 16]);
  await assertRejects(
    () => planned("qwen3_8b"),
    MismatchError,
    "says that the model is of the family LLaMA, but qwen3_8b is of Qwen",
  );
});

Deno.test("a tokenizer's files are among those that may not change while a GGUF file is made", async () => {
  using temp = new TempDir();
  const path = temp.at("tokenizer.json");
  Deno.writeTextFileSync(
    path,
    JSON.stringify({
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]] },
    }),
  );
  const { plan } = await planConversion({
    input: LLAMA,
    output: temp.at("a"),
    to: "gguf",
    tokenizer: temp.path,
  });
  assertEquals(plan.sources.filter((source) => source.path === path).length, 1);
});

Deno.test("an OLMo 3 out of GGUF is said to have YaRN in more layers than llama.cpp gives it, and said once", async () => {
  using temp = new TempDir();
  const input = stepOf("fairseq2-0.8.1/olmo3_bf16");
  await convertCheckpoint({ input, output: temp.at("gguf"), to: "gguf", tokenizer: false });
  for (const to of ["huggingface", "gguf"] as const) {
    const tokenizer = false;
    const { notes } = await planConversion({ input: temp.at("gguf"), output: temp.at("out"), to, tokenizer });
    assertEquals(notes.filter((note) => note.startsWith("llama.cpp has YaRN")).length, 1, to);
  }
});
