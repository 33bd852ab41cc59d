/**
 * Hugging Face directories, against those that the script of transformers 4.46.3 made of the same checkpoints, and
 * those that transformers itself saved.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { bytes } from "../../../lib/bytes/view.ts";
import { FileSource } from "../../../lib/bytes/source.ts";
import { OptionError } from "../../../lib/error.ts";
import type { SpecialTokens } from "../../../lib/models/model_description.ts";
import { huggingFaceFiles } from "../../../lib/layouts/huggingface/write.ts";
import { openSafetensors } from "../../../lib/safetensors/safetensors_file.ts";
import { dtypeOf } from "../../../lib/tensor/dtype.ts";
import { readTensorBytes } from "../../../lib/tensor/read_values.ts";
import { numel, type Tensor, tensorOfView } from "../../../lib/tensor/tensor.ts";
import { TempDir } from "../../_temp.ts";
import { assertSameFile } from "../../_state_facts.ts";
import { assertError } from "../../convert/_assert_error.ts";
import {
  cases,
  expectedOf,
  openCase,
  openHuggingFaceAt,
  wholeParameters,
  writeHuggingFace,
} from "../../convert/_layouts.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "..", "fixtures", "huggingface");

type Fields = Record<string, unknown>;

function readJson(...path: string[]): Fields {
  return JSON.parse(Deno.readTextFileSync(join(...path)));
}

/** The fields in which two objects differ, with what each has. */
function differences(actual: Fields, expected: Fields): Record<string, readonly [unknown, unknown]> {
  const names = [...new Set([...Object.keys(actual), ...Object.keys(expected)])].sort();
  const differ = names.filter((name) => JSON.stringify(actual[name]) !== JSON.stringify(expected[name]));
  return Object.fromEntries(differ.map((name) => [name, [actual[name], expected[name]]]));
}

async function readTensors(path: string): Promise<Map<string, string>> {
  using source = FileSource.open(path);
  const { tensors } = await openSafetensors(source);
  return new Map([...tensors].map(([name, tensor]) => [
    name,
    `${tensor.dtype.name} [${tensor.shape}] ${readTensorBytes(tensor).toBase64()}`,
  ]));
}

/** The dtype of each case's weights. */
function dtypeOfCase(name: string): string {
  return { bf16: "bfloat16", fp16: "float16", fp32: "float32" }[/_(bf16|fp16|fp32)/.exec(name)![1]!]!;
}

for (const name of cases) {
  const expected = expectedOf(name, "hf");
  const isTied = name.endsWith("tied");

  Deno.test(`huggingFaceFiles() writes the file that the script made, cast as it casts: ${name}`, async () => {
    using temp = new TempDir();
    // The script never ties the weights of a model that it takes for LLaMA 3.1.
    await writeHuggingFace(await openCase(name), temp.at("out"), { dtype: "bfloat16", tied: false });
    assertEquals(temp.names("out"), [...Deno.readDirSync(expected)].map(({ name }) => name).sort());
    assertSameFile(temp.at("out", "model.safetensors"), join(expected, "model.safetensors"));
  });

  Deno.test(`huggingFaceFiles() writes the config.json that the script made, but for named fields: ${name}`, async () => {
    using temp = new TempDir();
    await writeHuggingFace(await openCase(name), temp.at("out"));
    const ids = name.startsWith("fairseq2-0.8")
      // fairseq2 0.5 and later say no tokens, and a vocabulary of 50 hasn't got those of LLaMA 3.
      ? { bos_token_id: [null, 128000], eos_token_id: [null, 128001] }
      : name.includes("llama3")
      // model.yaml says them; the script takes those of LLaMA 3, whatever the vocabulary.
      ? { bos_token_id: [48, 128000], eos_token_id: [49, 128001] }
      : {};
    const scaling = {
      factor: 8,
      high_freq_factor: 4,
      low_freq_factor: 1,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    };
    const dtype = dtypeOfCase(name);
    assertEquals<unknown>(
      differences(readJson(temp.at("out"), "config.json"), readJson(expected, "config.json")),
      {
        ...ids,
        // fairseq2 0.2 and 0.3 compute with 5, where the script takes the published 4.
        ...(name.startsWith("fairseq2-0.3.0/llama3") &&
          { rope_scaling: [{ ...scaling, high_freq_factor: 5 }, scaling] }),
        // The embedding and the output projection are one storage.
        ...(isTied && { tie_word_embeddings: [true, false] }),
        // The script casts everything to bfloat16.
        ...(dtype !== "bfloat16" && { torch_dtype: [dtype, "bfloat16"] }),
      },
    );
    const generation = {
      ...Object.fromEntries(
        Object.entries(ids).map(([field, [ours, theirs]]) => [field, [ours ?? undefined, theirs]]),
      ),
      // The script lets every model sample as Meta's examples do.
      do_sample: [undefined, true],
      temperature: [undefined, 0.6],
      top_p: [undefined, 0.9],
    };
    assertEquals<unknown>(
      differences(
        readJson(temp.at("out"), "generation_config.json"),
        readJson(expected, "generation_config.json"),
      ),
      generation,
    );
  });

  Deno.test(`huggingFaceFiles() prints JSON as the script does: ${name}`, async () => {
    using temp = new TempDir();
    await writeHuggingFace(await openCase(name), temp.at("out"), { dtype: "bfloat16", tied: false });
    for (const file of ["config.json", "generation_config.json"]) {
      const expectedText = Deno.readTextFileSync(join(expected, file));
      const ours = Deno.readTextFileSync(temp.at("out", file));
      const rest = (text: string) =>
        text.split("\n").filter((line) =>
          !/"(?:[be]os_token_id|high_freq_factor|do_sample|temperature|top_p)"/.test(line)
        );
      assertEquals(rest(ours), rest(expectedText));
      assert(ours.endsWith("}\n"));
    }
  });

  Deno.test(`huggingFaceFiles() keeps the dtype, and leaves a tied projection out: ${name}`, async () => {
    using temp = new TempDir();
    await writeHuggingFace(await openCase(name), temp.at("out"));
    const tensors = await readTensors(temp.at("out", "model.safetensors"));
    assertEquals(tensors.size, isTied ? 20 : 21);
    assertEquals(tensors.has("lm_head.weight"), !isTied);
    for (const facts of tensors.values()) assert(facts.startsWith(`${dtypeOfCase(name)} `));
  });

  Deno.test(`huggingFaceFiles() writes the same tensors over several files: ${name}`, async () => {
    using temp = new TempDir();
    const opened = await openCase(name);
    await writeHuggingFace(opened, temp.at("one"));
    await writeHuggingFace(opened, temp.at("many"), { maxShardSize: 10000 });
    const files = temp.names("many").filter((file) => file.endsWith(".safetensors"));
    assert(files.length > 2);
    const found = new Map<string, string>();
    const places: Fields = {};
    for (const [i, file] of files.entries()) {
      const count = String(files.length).padStart(5, "0");
      assertEquals(file, `model-${String(i + 1).padStart(5, "0")}-of-${count}.safetensors`);
      for (const [tensor, facts] of await readTensors(temp.at("many", file))) {
        found.set(tensor, facts);
        places[tensor] = file;
      }
    }
    const expected = await readTensors(temp.at("one", "model.safetensors"));
    assertEquals([...found].sort(), [...expected].sort());
    assertEquals(readJson(temp.at("many"), "model.safetensors.index.json").weight_map, places);
    assertSameFile(temp.at("many", "config.json"), temp.at("one", "config.json"));
  });
}

for (const version of ["4.46.3", "5.23.0"]) {
  for (const [name, maxShardSize] of [["sharded", 5000], ["scaled", 5e9]] as const) {
    Deno.test(`huggingFaceFiles() writes what transformers ${version} saved once more: ${name}`, async () => {
      using temp = new TempDir();
      const source = join(FIXTURES, `transformers-${version}`, name);
      await writeHuggingFace(await openHuggingFaceAt(source), temp.at("out"), { maxShardSize });
      const files = [...Deno.readDirSync(source)].map(({ name }) => name).sort();
      assertEquals(temp.names("out"), files);
      for (const file of files) {
        if (file.endsWith(".safetensors") || file.endsWith(".index.json") && version === "5.23.0") {
          assertSameFile(temp.at("out", file), join(source, file));
        } else if (file.endsWith(".index.json")) {
          // transformers 4.46 doesn't count parameters yet.
          const metadata = { total_parameters: 10864, total_size: 21728 };
          assertEquals(readJson(temp.at("out"), file), { ...readJson(source, file), metadata });
        }
      }
      const differ = Object.keys(
        differences(readJson(temp.at("out"), "config.json"), readJson(source, "config.json")),
      );
      const renamed = [
        "dtype",
        "pad_token_id",
        "rope_parameters",
        "rope_scaling",
        "rope_theta",
        "torch_dtype",
      ];
      // transformers 5 has other names for two fields, and writes null where there is no token.
      assertEquals(differ, version === "4.46.3" ? [] : [...renamed, "transformers_version"].sort());
    });
  }
}

Deno.test("huggingFaceFiles() plans each file's tensors under both names", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.3.0/llama3_bf16_tp2");
  const { files, notes } = huggingFaceFiles(checkpoint, model, { tied: false, dtype: "float32" });
  assertEquals(notes, []);
  assertEquals(files.map(({ name }) => name), ["model.safetensors", "config.json", "generation_config.json"]);
  const { tensors, copies } = files[0]!;
  assertEquals(tensors[0], {
    from: "decoder_frontend.embed.weight",
    to: "model.embed_tokens.weight",
    dtype: "float32",
    shape: [50, 32],
    bytes: 6400,
  });
  assertEquals(tensors.length, 21);
  assertEquals(new Set(tensors.map(({ to }) => to)), new Set(copies.map(({ label }) => label)));
});

Deno.test("huggingFaceFiles() notes tokens that aren't known, unless they are given", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16");
  const plan = (tokens?: SpecialTokens) =>
    huggingFaceFiles(checkpoint, model, { tied: false, ...(tokens === undefined ? {} : { tokens }) });
  assertEquals(plan().notes, [
    "the token that begins or ends a sequence isn't known, so config.json has null for bos_token_id and " +
    "eos_token_id; put the token's id there, and into generation_config.json",
  ]);
  const known = plan({ bosId: 1, eosIds: [2] });
  assertEquals(known.notes, []);
  const config = known.files.find(({ name }) => name === "config.json")!.literals[0]!.bytes;
  const { bos_token_id, eos_token_id } = JSON.parse(new TextDecoder().decode(config));
  assertEquals([bos_token_id, eos_token_id], [1, 2]);
});

Deno.test("huggingFaceFiles() refuses to cast what isn't cast, and leaves it as it is otherwise", async () => {
  const opened = await openCase("fairseq2-0.8.1/llama3_bf16");
  const parameters = new Map<string, Tensor>(wholeParameters(opened));
  const norm = tensorOfView(dtypeOf("float64"), [32], bytes("in", 0, 32, 8));
  parameters.set("decoder.layer_norm.weight", norm);
  const checkpoint = { ...opened.checkpoint, shards: [{ parameters, path: "in" }] };
  const plan = (dtype?: "float16") =>
    huggingFaceFiles(checkpoint, opened.model, { tied: false, ...(dtype === undefined ? {} : { dtype }) });
  assertError(
    () => plan("float16"),
    OptionError,
    "Can't convert the weights to float16: decoder.layer_norm.weight is float64, and only float32, float16, bfloat16 " +
      "can be converted",
  );
  const copy = plan().files[0]!.copies.find(({ label }) => label === "model.norm.weight")!;
  assertEquals(copy.view, norm.storage.view);
});

Deno.test("huggingFaceFiles() says the dtype of most of the weights", async () => {
  const opened = await openCase("fairseq2-0.8.1/llama3_bf16");
  const parameters = new Map<string, Tensor>(wholeParameters(opened));
  // The first tensor and more than half of all of them, but not of the numbers.
  let others = 0;
  for (const [name, { shape }] of parameters) {
    if (!/norm|embed|final_proj|[kv]_proj/.test(name)) continue;
    parameters.set(name, tensorOfView(dtypeOf("float32"), shape, bytes("in", 0, numel(shape), 4)));
    others++;
  }
  assert(2 * others > parameters.size);
  const checkpoint = { ...opened.checkpoint, shards: [{ parameters, path: "in" }] };
  const { files } = huggingFaceFiles(checkpoint, opened.model, { tied: false });
  assertEquals(files[0]!.tensors[0]!.dtype, "float32");
  const config = files.find(({ name }) => name === "config.json")!.literals[0]!.bytes;
  assertEquals(JSON.parse(new TextDecoder().decode(config)).torch_dtype, "bfloat16");
});
