import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ggmlType } from "../../lib/gguf/ggml_types.ts";
import { GgufError } from "../../lib/gguf/read.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { ckpt } from "../_ckpt.ts";
import { type Contents, editGguf, float32, makeGguf, text, uint32 } from "../gguf/_model.ts";
import { snapshot, TempDir } from "../_temp.ts";

/** The model's file, which is made once. */
const made = (async () => {
  using temp = new TempDir();
  return Deno.readFileSync(await makeGguf(temp.at("made")));
})();

/** Refused by a conversion: exit code 1, one line, and nothing left behind. */
async function refusesToConvert(temp: TempDir, path: string, message: string): Promise<void> {
  const before = snapshot(temp.path);
  const run = await ckpt(["convert", "--quiet", path, temp.at("out")]);
  assertEquals(run, { code: 1, stdout: "", stderr: `error: ${path}: ${message}\n` });
  assertEquals(snapshot(temp.path), before);
}

/** Files that hold no table of GGUF that can be read: what is done to them, and what is said. */
const damaged:
  readonly (readonly [what: string, spoil: (file: Uint8Array) => Uint8Array, message: string])[] = [
    [
      "is empty",
      () => new Uint8Array(),
      "ends at byte 0, within its table (its first bytes); copy the file again",
    ],
    [
      "ends within its table",
      (file) => file.slice(0, 100),
      'ends at byte 100, within its table ("general.type"); copy the file again',
    ],
    [
      "ends within its tensors",
      (file) => file.slice(0, -64),
      'tensor "output.weight" ends at byte 70592, past the file\'s end at 70528; copy the file again',
    ],
    [
      "is big-endian",
      (file) => changed(file, 4, 0, 0, 0, 3),
      "is a big-endian file, and ckpt reads little-endian ones; convert it with gguf-convert-endian",
    ],
    [
      "has version 1",
      (file) => changed(file, 4, 1),
      "has version 1 of GGUF, which llama.cpp no longer reads, either; convert the model anew",
    ],
    ["has version 4", (file) => changed(file, 4, 4), "has version 4 of GGUF, and ckpt reads 2 and 3"],
    [
      "states more tensors than there can be",
      (file) => changed(file, 8, 0, 0, 0, 0, 0, 1),
      "states 1099511627776 tensors, more than the 65536 that ckpt reads",
    ],
    [
      "has tensors that overlap",
      (file) => changed(file, placeOf(file, "blk.1.ffn_up.weight"), 0),
      'tensor "blk.1.ffn_up.weight" starts at byte 48640 of the data, and has to start at 48800',
    ],
    [
      "is a Git LFS pointer",
      () =>
        new TextEncoder().encode(
          "version https://git-lfs.github.com/spec/v1\noid sha256:82e9\nsize 2183982\n",
        ),
      'begins with "vers", not with GGUF; if it is a Git LFS pointer, fetch the file itself with git lfs pull',
    ],
    [
      "is a web page",
      () => new TextEncoder().encode("<!DOCTYPE html>\n<html><head><title>Not found</title></head></html>\n"),
      'begins with "<!DO", not with GGUF; if it is a web page, download the file itself',
    ],
  ];

function changed(file: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

/** Where a tensor's place stands: behind its name, two dimensions, and its type. */
function placeOf(file: Uint8Array, name: string): number {
  const wanted = new TextEncoder().encode(name);
  const at = file.findIndex((_, i) => wanted.every((byte, j) => file[i + j] === byte));
  assert(at > 0);
  return at + wanted.length + 4 + 16 + 4;
}

for (const [what, spoil, message] of damaged) {
  Deno.test(`ckpt convert, inspect and verify say what is wrong with a .gguf file that ${what}`, async () => {
    using temp = new TempDir();
    const path = temp.at("model.gguf");
    Deno.writeFileSync(path, spoil(await made));
    await refusesToConvert(temp, path, message);
    await assertFailsAsync(() => inspect(path), GgufError, `${path}: ${message}`);
    for (const each of [path, temp.path]) {
      const { ok, files } = await verifyCheckpoint(each);
      assertEquals([ok, files.map(({ problem }) => problem)], [false, [message]]);
    }
  });
}

/** Models that can't be converted: what is done to one, and what is said. */
const refused: readonly (readonly [what: string, change: (contents: Contents) => void, message: string])[] = [
  [
    "an unknown field",
    ({ metadata }) => metadata.set("llama.attention.temperature", float32(1)),
    "llama.attention.temperature: unknown field with the value 1",
  ],
  [
    "a field that changes the model",
    ({ metadata }) => metadata.set("llama.attention.causal", { type: "bool", value: false }),
    "llama.attention.causal: unknown field with the value false",
  ],
  [
    "RoPE that is scaled without a type, which llama.cpp takes as linear",
    ({ metadata }) => metadata.set("llama.rope.scaling.factor", float32(2)),
    "llama.rope.scaling.factor: unknown field with the value 2",
  ],
  [
    "experts",
    ({ metadata }) => metadata.set("llama.expert_count", uint32(8)),
    "llama.expert_count: expected 0, got 8: fairseq2's and Meta's LLaMA have no experts",
  ],
  [
    "heads that differ by layer",
    ({ metadata }) =>
      metadata.set("llama.attention.head_count", {
        type: "array",
        items: "uint32",
        values: Uint32Array.of(4, 2),
      }),
    "llama.attention.head_count: expected a positive integer, got a sequence",
  ],
  [
    "a field that is missing",
    ({ metadata }) => metadata.delete("llama.context_length"),
    "llama.context_length: missing, expected a positive integer",
  ],
  [
    "a count of 64 bits, which llama.cpp doesn't take",
    ({ metadata }) => metadata.set("llama.block_count", { type: "uint64", value: 2n }),
    "llama.block_count: is a uint64, where llama.cpp takes a uint32",
  ],
  [
    "a count that isn't whole by its type",
    ({ metadata }) => metadata.set("llama.block_count", float32(2)),
    "llama.block_count: is a float32, where llama.cpp takes a uint32",
  ],
  [
    "a base that is a whole number by its type",
    ({ metadata }) => metadata.set("llama.rope.freq_base", uint32(500000)),
    "llama.rope.freq_base: is a uint32, where llama.cpp takes a float32",
  ],
  [
    "four billion layers",
    ({ metadata }) => metadata.set("llama.block_count", uint32(2 ** 32 - 1)),
    "llama.block_count: expected at most 4096, got 4294967295",
  ],
  [
    "a token that is a text",
    ({ metadata }) => metadata.set("tokenizer.ggml.bos_token_id", text("<s>")),
    "tokenizer.ggml.bos_token_id: is a string, where llama.cpp takes a uint32",
  ],
  [
    "more tokens than rows of the embedding",
    ({ metadata }) =>
      metadata.set("tokenizer.ggml.tokens", {
        type: "array",
        items: "string",
        values: Array.from({ length: 51 }, (_, i) => `${i}`),
      }),
    "tokenizer.ggml.tokens has 51, but the embedding has 50 rows",
  ],
  [
    "a vocabulary of another size than the embedding, and no tokens",
    ({ metadata }) => metadata.set("llama.vocab_size", uint32(49)),
    "llama.vocab_size is 49, but the embedding has 50 rows",
  ],
  [
    "factors of RoPE for other heads",
    ({ tensors }) => {
      tensors[0] = { ...tensors[0]!, shape: [3], data: tensors[0]!.data.slice(0, 12) };
    },
    "rope_freqs.weight: has 3 numbers, but heads have 8 rows",
  ],
  [
    "no factors of RoPE, though there is a place for them",
    ({ tensors }) => {
      tensors[0] = { ...tensors[0]!, shape: [0], data: new Uint8Array() };
    },
    "rope_freqs.weight: has 0 numbers, but heads have 8 rows",
  ],
  [
    "factors of RoPE that no formula gives",
    ({ tensors }) => void tensors[0]!.data.set([0, 0, 154, 66], 4),
    "rope_freqs.weight: scales RoPE by other numbers than LLaMA 3.1, 3.2 and fairseq2 do",
  ],
  [
    "a bias",
    ({ tensors }) => void tensors.push({ ...tensors[0]!, name: "blk.0.attn_output.bias" }),
    "blk.0.attn_output.bias: is a bias, which fairseq2's and Meta's LLaMA haven't got",
  ],
  [
    "a quantized vector",
    ({ tensors }) => {
      const norm = tensors.find(({ name }) => name === "output_norm.weight")!;
      tensors[tensors.indexOf(norm)] = { ...norm, type: ggmlType(8), data: new Uint8Array(34) };
    },
    "output_norm.weight: is a vector of Q8_0, with which llama.cpp can't compute",
  ],
  [
    "quantized rows of two million numbers",
    ({ tensors }) => {
      const [at, columns] = [tensors.findIndex(({ name }) => name === "blk.0.attn_q.weight"), 2 ** 21];
      const data = new Uint8Array(columns / 32 * 34);
      tensors[at] = { name: "blk.0.attn_q.weight", type: ggmlType(8), shape: [1, columns], data };
    },
    "blk.0.attn_q.weight: has rows of 2097152 numbers, which are too long to convert from q8_0 to float32",
  ],
];

for (const [what, change, message] of refused) {
  Deno.test(`ckpt convert refuses a GGUF file with ${what}; verify says so, inspect shows it`, async () => {
    using temp = new TempDir();
    const path = temp.at("model.gguf");
    Deno.writeFileSync(path, await made);
    await editGguf(path, change);
    await refusesToConvert(temp, path, message);
    const { files, model } = await verifyCheckpoint(path);
    assertEquals([files[0]!.problem, model?.problem], [undefined, `${path}: ${message}`]);
    const { format, tensors } = await inspect(path);
    assertEquals([format, tensors.length > 20], ["gguf", true]);
  });
}

/** Files that are no model of a known family, and so nothing is wrong with: what is done, and what a conversion says. */
const others: readonly (readonly [what: string, change: (contents: Contents) => void, message: string])[] = [
  [
    "a model of another architecture",
    ({ metadata }) => metadata.set("general.architecture", text("gemma3")),
    'general.architecture: is "gemma3", and only "llama", "qwen2", "qwen3", "olmo2" can be converted',
  ],
  [
    "a model without an architecture",
    ({ metadata }) => metadata.delete("general.architecture"),
    "general.architecture: missing, so what model it is isn't known",
  ],
  [
    "a LoRA adapter",
    ({ metadata }) => metadata.set("general.type", text("adapter")),
    'general.type: is "adapter", and only a "model" can be converted',
  ],
  [
    "a projector of images",
    ({ metadata }) => {
      metadata.set("general.type", text("mmproj"));
      metadata.set("general.architecture", text("clip"));
    },
    'general.type: is "mmproj", and only a "model" can be converted',
  ],
  ["a vocabulary alone", (contents) => void (contents.tensors = []), "has no tensors, only metadata"],
  [
    "a quantization that can't be undone",
    ({ tensors }) => {
      tensors[1] = { ...tensors[1]!, type: ggmlType(20), data: new Uint8Array(50 * 18) };
    },
    "token_embd.weight: is IQ4_NL, which can't be converted; convert the model that it was made of",
  ],
];

for (const [what, change, message] of others) {
  Deno.test(`ckpt convert refuses ${what} in GGUF, with which nothing is wrong`, async () => {
    using temp = new TempDir();
    const path = temp.at("model.gguf");
    Deno.writeFileSync(path, await made);
    await editGguf(path, change);
    await refusesToConvert(temp, path, message);
    for (const each of [path, temp.path]) assertEquals((await verifyCheckpoint(each)).ok, true);
    assertEquals((await inspect(path)).format, "gguf");
  });
}

Deno.test("ckpt asks for one of several GGUF files in a directory", async () => {
  using temp = new TempDir();
  for (const name of ["a.gguf", "b.gguf"]) Deno.writeFileSync(temp.at(name), await made);
  const message = `error: ${temp.path}: holds several GGUF files, a.gguf and b.gguf among them; ` +
    "name the one that is meant\n";
  for (
    const args of [["convert", "--quiet", temp.path, temp.at("out")], ["inspect", temp.path], [
      "verify",
      temp.path,
    ]]
  ) {
    const { code, stderr } = await ckpt(args);
    assertEquals([code, stderr], [1, message]);
  }
  const { code, stderr } = await ckpt(["compare", temp.path, join(temp.path, "a.gguf")]);
  assertEquals([code, stderr], [2, message.replace("error: ", "error: a: ")]);
  assertEquals((await ckpt(["compare", temp.at("a.gguf"), temp.at("b.gguf")])).code, 0);
});

Deno.test("a name that says another part than there can be is a file's own", async () => {
  using temp = new TempDir();
  for (const name of ["m-00001-of-00000.gguf", "m-00005-of-00003.gguf"]) {
    const path = temp.at(name);
    Deno.writeFileSync(path, await made);
    assertEquals((await verifyCheckpoint(path)).ok, true);
  }
});
