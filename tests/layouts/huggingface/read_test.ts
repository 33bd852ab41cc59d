/**
 * Hugging Face directories as they are read: those that the script made give the canonical checkpoints back, and what
 * isn't whole or can't be converted is refused in one line.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { bytes } from "../../../lib/bytes/view.ts";
import { FileError, FormatError, MismatchError } from "../../../lib/error.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { listDirectory } from "../../../lib/layouts/directory.ts";
import { findHuggingFace, openHuggingFace } from "../../../lib/layouts/huggingface/read.ts";
import { resolveModel } from "../../../lib/convert/resolve_model.ts";
import { SafetensorsError } from "../../../lib/safetensors/error.ts";
import { layoutSafetensors, TORCH_METADATA } from "../../../lib/safetensors/layout.ts";
import { openSafetensors } from "../../../lib/safetensors/safetensors_file.ts";
import { FileSource } from "../../../lib/bytes/source.ts";
import { dtypeOf } from "../../../lib/tensor/dtype.ts";
import { type Tensor, tensorOfView } from "../../../lib/tensor/tensor.ts";
import { assertRejectsWith } from "../../_assert_rejects.ts";
import { copyTree, TempDir } from "../../_temp.ts";
import {
  cases,
  expectedOf,
  openCase,
  openHuggingFaceAt,
  openReferenceAt,
  readParameters,
  writeFiles,
  writeHuggingFace,
} from "../../convert/_layouts.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "..", "fixtures", "huggingface");

/** The cases that the script didn't have to cast, so that not a bit may differ. */
const uncast = cases.filter((name) => name.includes("bf16"));

for (const name of uncast) {
  Deno.test(`openHuggingFace() gives back what the script was given: ${name}`, async () => {
    const found = await openHuggingFaceAt(expectedOf(name, "hf"));
    const expected = await openReferenceAt(expectedOf(name, "reference"));
    const [a, b] = [readParameters(found), readParameters(expected)];
    assertEquals([...a], [...b].sort(([x], [y]) => [...a.keys()].indexOf(x) - [...a.keys()].indexOf(y)));
    assertEquals(a.size, 21);
    assertEquals(found.checkpoint.kind, "Hugging Face");
    assertEquals(found.checkpoint.shards.length, 1);
    assertEquals(found.checkpoint.notes, []);
  });
}

for (const name of cases) {
  Deno.test(`openHuggingFace() gives back the checkpoint that was converted: ${name}`, async () => {
    using temp = new TempDir();
    const opened = await openCase(name);
    await writeHuggingFace(opened, temp.at("hf"), { maxShardSize: 20000 });
    const back = await openHuggingFaceAt(temp.at("hf"));
    assertEquals([...readParameters(back)].sort(), [...readParameters(opened)].sort());
    // What the width was rounded up to isn't in config.json.
    const { bosId, eosIds, padId, multipleOf, ...model } = back.model;
    assertEquals(model.intermediateSize % multipleOf, 0);
    assertEquals([bosId, eosIds, padId], [opened.model.bosId, opened.model.eosIds, opened.model.padId]);
    for (const [field, value] of Object.entries(model)) {
      if (field === "tied") assertEquals(value, name.endsWith("tied"));
      else assertEquals<unknown>(value, opened.model[field as "dim"], field);
    }
    // The order of fairseq2's state dicts, not that of the files.
    assertEquals([...back.checkpoint.shards[0]!.parameters.keys()].slice(0, 3), [
      "decoder_frontend.embed.weight",
      "decoder.layers.0.self_attn_layer_norm.weight",
      "decoder.layers.0.self_attn.q_proj.weight",
    ]);
  });
}

Deno.test("openHuggingFace() makes the projection of the embedding where they are tied, as one tensor", async () => {
  const { checkpoint, model } = await openHuggingFaceAt(join(FIXTURES, "transformers-5.23.0", "scaled"));
  const [{ parameters }] = checkpoint.shards as [typeof checkpoint.shards[0]];
  assertEquals(model.tied, true);
  assertEquals(parameters.get("final_proj.weight") === parameters.get("decoder_frontend.embed.weight"), true);
  assertEquals(resolveModel(checkpoint, undefined).model.dim, 16);
});

Deno.test("findHuggingFace() tells by the files", () => {
  const of = (...files: string[]) =>
    findHuggingFace({ path: "x", files: new Set(files), directories: new Set<string>() });
  assertEquals(of("config.json", "model.safetensors"), "model.safetensors");
  assertEquals(of("model.safetensors"), "model.safetensors");
  assertEquals(of("model.safetensors.index.json"), "model.safetensors.index.json");
  assertEquals(of("config.json", "pytorch_model.bin"), "pytorch_model.bin");
  assertEquals(
    of("config.json", "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"),
    "model-00001-of-00002.safetensors",
  );
  assertEquals(of("config.json"), undefined);
  assertEquals(of("model.pt", "consolidated.00.pth", "params.json"), undefined);
});

/** A Hugging Face directory that can be changed. */
class Directory extends TempDir {
  /** Copies a directory that transformers saved, of one file or of several. */
  constructor(name: "scaled" | "sharded") {
    super();
    copyTree(join(FIXTURES, "transformers-4.46.3", name), this.at("hf"));
  }

  /** Changes the fields of a JSON file. */
  editJson(file: string, change: (fields: Record<string, unknown>) => void): this {
    const path = this.at("hf", file);
    const fields = JSON.parse(Deno.readTextFileSync(path));
    change(fields);
    Deno.writeTextFileSync(path, JSON.stringify(fields));
    return this;
  }

  /** Changes the tensors of a file. */
  async editTensors(file: string, change: (tensors: Map<string, Tensor>) => void): Promise<this> {
    const path = this.at("hf", file);
    Deno.renameSync(path, `${path}.old`);
    using source = FileSource.open(`${path}.old`);
    const tensors = new Map((await openSafetensors(source)).tensors);
    change(tensors);
    writeFiles([{ ...layoutSafetensors(file, tensors, TORCH_METADATA), tensors: [] }], this.at("hf"));
    return this;
  }

  /** Removes a file. */
  remove(file: string): this {
    Deno.removeSync(this.at("hf", file));
    return this;
  }

  /** Makes a file. */
  touch(file: string): this {
    Deno.writeTextFileSync(this.at("hf", file), "");
    return this;
  }

  /** A tensor of zeros. */
  zeros(dtype: string, ...shape: number[]): Tensor {
    const type = dtypeOf(dtype);
    const size = shape.reduce((product, each) => product * each, type.itemBytes);
    Deno.writeFileSync(this.at(`zeros-${size}`), new Uint8Array(size));
    return tensorOfView(type, shape, bytes(this.at(`zeros-${size}`), 0, shape[0]!, size / shape[0]!));
  }

  /** Opens it. */
  open() {
    return openHuggingFace(listDirectory(this.at("hf")));
  }

  /** Asserts that it is refused, with a message in which `DIR` stands for the directory. */
  async refused(
    // deno-lint-ignore no-explicit-any
    errorClass: new (...args: any[]) => Error,
    message: string,
  ): Promise<void> {
    await assertRejectsWith(() => this.open(), errorClass, message.replaceAll("DIR", this.at("hf")));
  }
}

const FIRST = "model-00001-of-00006.safetensors";
const SECOND = "model-00002-of-00006.safetensors";
const Q = "model.layers.0.self_attn.q_proj.weight";

Deno.test("openHuggingFace() leaves out the rotary frequencies that old versions saved", async () => {
  using directory = new Directory("scaled");
  const buffer = "model.layers.0.self_attn.rotary_emb.inv_freq";
  await directory.editTensors(
    "model.safetensors",
    (tensors) => tensors.set(buffer, directory.zeros("float32", 2)),
  );
  const { shards } = await directory.open();
  assertEquals(shards[0]!.parameters.size, 3 + 9 * 3);
});

Deno.test("openHuggingFace() carries a projection over although config.json says that it is tied, and notes it", async () => {
  using directory = new Directory("scaled");
  await directory.editTensors(
    "model.safetensors",
    (tensors) => tensors.set("lm_head.weight", directory.zeros("float32", 24, 16)),
  );
  const { shards, notes } = await directory.open();
  const { parameters } = shards[0]!;
  assert(parameters.get("final_proj.weight") !== parameters.get("decoder_frontend.embed.weight"));
  assertEquals(notes, [
    "config.json says that lm_head is the embedding (tie_word_embeddings), but the files hold one: it is carried over",
  ]);
});

Deno.test("openHuggingFace() refuses weights without config.json", async () => {
  using directory = new Directory("scaled").remove("config.json");
  await directory.refused(
    FileError,
    "DIR: holds safetensors files but no config.json, which says what model they are of",
  );
});

Deno.test("openHuggingFace() refuses another family, quantized weights, biases and other heads by their field", async () => {
  using directory = new Directory("scaled");
  const cases: readonly (readonly [string, unknown, string])[] = [
    [
      "architectures",
      ["Qwen2ForCausalLM"],
      'is "Qwen2ForCausalLM", but only LlamaForCausalLM can be converted',
    ],
    [
      "quantization_config",
      { quant_method: "awq" },
      'says that the weights are quantized ("awq"); convert the model that they were made of',
    ],
    ["attention_bias", true, "says that the model has biases, which fairseq2's and Meta's LLaMA haven't got"],
    [
      "head_dim",
      128,
      "expected hidden_size / num_attention_heads, which is 4, got 128; neither fairseq2 nor Meta's code has heads of " +
      "another size",
    ],
  ];
  for (const [field, value, message] of cases) {
    let before: unknown;
    directory.editJson("config.json", (fields) => {
      before = fields[field];
      fields[field] = value;
    });
    await directory.refused(ConfigError, `DIR/config.json: ${field}: ${message}`);
    directory.editJson("config.json", (fields) => fields[field] = before);
  }
  assertEquals((await directory.open()).shards.length, 1);
});

Deno.test("openHuggingFace() refuses a config.json that is no JSON, no text, or too large", async () => {
  using directory = new Directory("scaled");
  const config = directory.at("hf", "config.json");
  Deno.writeTextFileSync(config, "{");
  await directory.refused(ConfigError, "DIR/config.json: is no JSON: ends too early");
  Deno.writeFileSync(config, Uint8Array.of(0x7b, 0xff, 0x7d));
  await directory.refused(
    FormatError,
    "DIR/config.json: is no UTF-8 text; get the file again from where it was written",
  );
  Deno.truncateSync(config, 1024 * 1024 + 1);
  await directory.refused(
    FormatError,
    "DIR/config.json: has 1048577 bytes, more than the 1048576 that such a file may have",
  );
});

Deno.test("openHuggingFace() refuses weights in other files, none, and both kinds", async () => {
  using directory = new Directory("scaled").remove("model.safetensors");
  await directory.refused(FileError, "DIR: holds neither model.safetensors nor model.safetensors.index.json");
  directory.touch("pytorch_model.bin");
  await directory.refused(
    FileError,
    "DIR: holds pytorch_model.bin, which isn't read; save the model as safetensors",
  );
  directory.touch("model.safetensors").touch("model.safetensors.index.json");
  await directory.refused(
    FileError,
    "DIR: holds both model.safetensors and model.safetensors.index.json; move away the one that isn't meant",
  );
});

Deno.test("openHuggingFace() refuses an index that names a missing file", async () => {
  using directory = new Directory("sharded").remove(SECOND);
  await directory.refused(
    FileError,
    `DIR: ${SECOND} is missing, which model.safetensors.index.json names; all files are needed`,
  );
});

Deno.test("openHuggingFace() refuses an index that names a missing tensor", async () => {
  using directory = new Directory("sharded").editJson("model.safetensors.index.json", (fields) => {
    (fields.weight_map as Record<string, string>)["model.layers.3.mlp.up_proj.weight"] = FIRST;
  });
  await directory.refused(
    FormatError,
    `DIR/${FIRST}: lacks model.layers.3.mlp.up_proj.weight, which model.safetensors.index.json says that it has; the ` +
      "files are of different models",
  );
});

Deno.test("openHuggingFace() refuses tensors that the index doesn't name, or has elsewhere", async () => {
  using directory = new Directory("sharded").editJson("model.safetensors.index.json", (fields) => {
    (fields.weight_map as Record<string, string>)[Q] = SECOND;
  });
  await directory.refused(
    FormatError,
    `DIR/${FIRST}: ${Q}: model.safetensors.index.json says that it is in ${SECOND}; the files are of different models`,
  );
  directory.editJson("model.safetensors.index.json", (fields) => {
    delete (fields.weight_map as Record<string, string>)[Q];
  });
  await directory.refused(
    FormatError,
    `DIR/${FIRST}: ${Q}: model.safetensors.index.json doesn't name it; the files are of different models`,
  );
});

Deno.test("openHuggingFace() refuses an index that leads out of the directory", async () => {
  using directory = new Directory("sharded").editJson("model.safetensors.index.json", (fields) => {
    (fields.weight_map as Record<string, string>)[Q] = "../x.safetensors";
  });
  await directory.refused(
    FormatError,
    `DIR/model.safetensors.index.json: weight_map: "${Q}" is said to be in "../x.safetensors", which is no name of a ` +
      "safetensors file",
  );
});

const changed: readonly (readonly [
  what: string,
  name: string,
  change: (directory: Directory) => Tensor | undefined,
  message: string,
])[] = [
  [
    "a bias",
    "model.layers.0.self_attn.q_proj.bias",
    (directory) => directory.zeros("float32", 16),
    "is a bias, which fairseq2's and Meta's LLaMA haven't got",
  ],
  [
    "a parameter of another model",
    "model.layers.0.self_attn.q_norm.weight",
    (directory) => directory.zeros("float32", 4),
    "is no parameter of a LLaMA model in the Hugging Face layout",
  ],
  [
    "a parameter by fairseq2's name",
    "decoder.layer_norm.weight",
    (directory) => directory.zeros("float32", 16),
    "is no parameter of a LLaMA model in the Hugging Face layout",
  ],
  [
    "a layer too many",
    "model.layers.3.input_layernorm.weight",
    (directory) => directory.zeros("float32", 16),
    "is of a layer that the model hasn't got: num_hidden_layers is 3 in config.json",
  ],
  [
    "a quantized weight",
    "model.layers.0.self_attn.q_proj.qweight",
    (directory) => directory.zeros("int32", 2, 16),
    "is of quantized weights (int32); convert the model that they were made of",
  ],
  [
    "scales of a quantized weight",
    "model.layers.0.self_attn.q_proj.weight_scale",
    (directory) => directory.zeros("float32", 1),
    "is of quantized weights (float32); convert the model that they were made of",
  ],
  [
    "an 8-bit weight",
    Q,
    (directory) => directory.zeros("float8_e4m3fn", 16, 16),
    "is of quantized weights (float8_e4m3fn); convert the model that they were made of",
  ],
  [
    "a bitsandbytes weight",
    Q,
    (directory) => directory.zeros("uint8", 128, 1),
    "is of quantized weights (uint8); convert the model that they were made of",
  ],
  [
    "a weight of another shape",
    "model.layers.0.self_attn.k_proj.weight",
    (directory) => directory.zeros("float32", 16, 16),
    "is [16, 16], but [8, 16] in a model such as config.json describes",
  ],
  [
    "a weight of other dimensions",
    "model.norm.weight",
    (directory) => directory.zeros("float32", 16, 1),
    "is [16, 1], but [16] in a model such as config.json describes",
  ],
];

for (const [what, name, change, message] of changed) {
  Deno.test(`openHuggingFace() refuses ${what}`, async () => {
    using directory = new Directory("scaled");
    await directory.editTensors("model.safetensors", (tensors) => tensors.set(name, change(directory)!));
    await directory.refused(MismatchError, `DIR/model.safetensors: ${name}: ${message}`);
  });
}

Deno.test("openHuggingFace() refuses a model that lacks a parameter", async () => {
  using directory = new Directory("scaled");
  await directory.editTensors("model.safetensors", (tensors) => tensors.delete("model.norm.weight"));
  await directory.refused(
    MismatchError,
    "DIR: no file holds model.norm.weight, so the model is incomplete",
  );
});

Deno.test("openHuggingFace() refuses a model without a projection that isn't tied", async () => {
  using directory = new Directory("scaled");
  directory.editJson("config.json", (fields) => fields.tie_word_embeddings = false);
  await directory.refused(
    MismatchError,
    "DIR: no file holds lm_head.weight, and config.json doesn't say that it is the embedding (tie_word_embeddings)",
  );
});

Deno.test("openHuggingFace() refuses a file that is cut off", async () => {
  using directory = new Directory("sharded");
  const path = directory.at("hf", FIRST);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  try {
    await directory.open();
    throw new Error("it was opened");
  } catch (error) {
    assertEquals((error as Error).constructor, SafetensorsError);
    assertStringIncludes((error as Error).message, `${path}: holds `);
  }
});
