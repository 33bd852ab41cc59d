import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { FormatError } from "../../lib/error.ts";
import { ggmlType } from "../../lib/gguf/ggml_types.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspectGlobals } from "../../lib/inspect/globals.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { GOLDEN, goldenTensors } from "../gguf/_files.ts";
import { CASE, editGguf, makeGguf, type Stored, text, uint32, writeGguf } from "../gguf/_model.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { WebServer } from "../_web_server.ts";

const at = (name: string) => join(GOLDEN, name);

Deno.test("inspect() shows the types and the sizes of the tensors that gguf-py wrote", async () => {
  const found = await inspect(at("types.gguf"));
  assertEquals([found.format, found.layout, found.family, found.writer], [
    "gguf",
    null,
    null,
    "GGUF, version 3",
  ]);
  assertEquals(
    found.tensors.map(({ name, dtype, shape }) => [name, dtype, shape]),
    goldenTensors.types!.map(([name, type, shape]) => [name, type.name, shape]),
  );
  // gguf-py 0.19 GGML_QUANT_SIZES: 6 blocks of each quantization.
  assertEquals(
    found.tensors.slice(0, 8).map(({ bytes }) => bytes),
    [768, 384, 384, 6 * 34, 6 * 18, 6 * 20, 6 * 22, 6 * 24],
  );
});

Deno.test("inspect() shows the metadata that gguf-py wrote", async () => {
  const { gguf } = await inspect(at("values.gguf"));
  assertEquals([gguf!.version, gguf!.alignment], [3, 32]);
  const expected = JSON.parse(Deno.readTextFileSync(at("values.json"))) as [string, unknown, unknown][];
  assertEquals(gguf!.metadata.slice(1).map(({ key }) => key), expected.map(([key]) => key));
  const found = new Map(gguf!.metadata.map(({ key, ...value }) => [key, value]));
  assertEquals(found.get("x.uint8"), { type: "uint8", value: 200 });
  assertEquals(found.get("x.float32"), { type: "float32", value: 0.1 });
  assertEquals(found.get("x.uint64"), { type: "uint64", value: "18446744073709551615" });
  assertEquals(found.get("x.false"), { type: "bool", value: false });
  assertEquals(found.get("x.texts"), { type: "string[]", count: 3, value: ["", "a", "\ufeffé"] });
  assertEquals(found.get("x.uint64s"), {
    type: "uint64[]",
    count: 2,
    value: [0, "18446744073709551615"],
  });
});

Deno.test("inspect() shows the first items of a long array, and numbers that JSON hasn't got as texts", async () => {
  using temp = new TempDir();
  const values = Array.from({ length: 1000 }, (_, i) => `token ${i}`);
  writeGguf(
    temp.at("a"),
    new Map([
      ["tokens", { type: "array", items: "string", values }],
      ["none", { type: "float64", value: NaN }],
      ["all", { type: "array", items: "float32", values: Float32Array.of(-Infinity, 1e-5) }],
    ]),
    [],
  );
  const { gguf } = await inspect(temp.at("a"));
  assertEquals(gguf!.metadata, [
    { key: "tokens", type: "string[]", count: 1000, value: values.slice(0, 128) },
    { key: "none", type: "float64", value: "NaN" },
    { key: "all", type: "float32[]", count: 2, value: ["-Infinity", 1e-5] },
  ]);
});

Deno.test("inspect() shows a model in GGUF, in one file or in parts, and by URL", async () => {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("one"), { dtype: "q8_0" });
  const file = await inspect(path);
  const { layout, family, architecture, tensors, notes } = file;
  assertEquals([layout, family, architecture, tensors.length], ["gguf", "llama", null, 22]);
  assertEquals(notes, []);
  assertEquals(tensors[1], {
    name: "token_embd.weight",
    dtype: "Q8_0",
    shape: [50, 32],
    bytes: 50 * 34,
  });
  await makeGguf(temp.at("parts"), { dtype: "q8_0", maxShardSize: 10_000 });
  const parts = await inspect(temp.at("parts"));
  assert(parts.files.length > 2);
  assertEquals(parts.tensors, tensors);
  assertEquals(parts.gguf!.metadata.find(({ key }) => key === "split.count")?.value, parts.files.length);
  await using server = new WebServer(temp.path);
  assertEquals(await inspect(server.url("one/model.gguf")), file);
});

Deno.test("inspect() of a URL reads no more than the table", async () => {
  using temp = new TempDir();
  const data = new Uint8Array(4 * 2 ** 20);
  writeGguf(temp.at("large.gguf"), new Map(), [{ name: "a", type: ggmlType(0), shape: [2 ** 20], data }]);
  await using server = new WebServer(temp.path);
  assertEquals((await inspect(server.url("large.gguf"))).bytes, data.length);
  assert(server.bytes < 300_000, `${server.bytes} bytes`);
});

/** A tensor of some type, of rows of 256 numbers. */
const quantized = (id: number, name = "blk.0.attn_q.weight", fill = 0): Stored => {
  const type = ggmlType(id);
  return {
    name,
    type,
    shape: [2, 256],
    data: new Uint8Array(2 * 256 / type.block!.items * type.block!.bytes).fill(fill),
  };
};

Deno.test("inspect() shows models and quantizations that can't be converted, and types that it doesn't know", async () => {
  using temp = new TempDir();
  // The names of a Gemma's tensors are those of a LLaMA's.
  const gemma = new Map([["general.architecture", text("gemma3")]]);
  Deno.mkdirSync(temp.at("dir"));
  const path = temp.at("dir", "a.gguf");
  writeGguf(path, gemma, [quantized(12), quantized(16, "token_embd.weight")]);
  for (const each of [path, temp.at("dir")]) {
    const { layout, tensors, gguf } = await inspect(each);
    assertEquals([layout, tensors.map(({ dtype, bytes }) => [dtype, bytes])], [null, [
      ["Q4_K", 2 * 144],
      ["IQ2_XXS", 2 * 66],
    ]]);
    assertEquals(gguf!.metadata, [{ key: "general.architecture", type: "string", value: "gemma3" }]);
  }
  const model = await makeGguf(temp.at("model"));
  await editGguf(model, ({ tensors }) => {
    const { shape } = tensors[1]!;
    assertEquals(shape, [50, 32]);
    tensors[1] = { ...tensors[1]!, type: ggmlType(20), data: new Uint8Array(50 * 18) };
  });
  for (const each of [model, temp.at("model")]) {
    const { layout, family, tensors } = await inspect(each);
    assertEquals([layout, family, tensors[1]!.dtype, tensors[1]!.bytes], ["gguf", "llama", "IQ4_NL", 900]);
  }
  // The number of the type stands before the place, at the end of the table.
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const typeAt = bytes.length - 2 * 144 - 160 - 12 - 24;
  const found = [...Array(64).keys()].map((i) => typeAt + i).find((i) => view.getUint32(i, true) === 16)!;
  view.setUint32(found, 99, true);
  Deno.writeFileSync(path, bytes);
  const { tensors } = await inspect(path);
  assertEquals(tensors.map(({ dtype, shape, bytes }) => [dtype, shape, bytes]), [
    ["Q4_K", [2, 256], 288],
    ["type 99", [2, 256], 160], // With the padding.
  ]);
});

Deno.test("compareCheckpoints() compares a model in GGUF with what it was made of", async () => {
  using temp = new TempDir();
  for (
    const name of [
      "fairseq2-0.3.0/llama3_bf16",
      "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2",
      "fairseq2-0.3.0/llama2_fp16",
    ]
  ) {
    const input = join(CHECKPOINTS, name);
    const output = temp.at(name.replace("/", "-"));
    await makeGguf(output, { input });
    const { equal, differences, tensors, b } = await compareCheckpoints(input, output);
    assertEquals([equal, differences, tensors, b.kind], [true, [], 21, "GGUF"]);
  }
  const path = await makeGguf(temp.at("q"), { dtype: "q8_0" });
  const bare = await compareCheckpoints(CASE, path);
  assertEquals(bare.equal, false);
  assertEquals(new Set(bare.differences.map(({ what }) => what)), new Set(["dtype"]));
  const near = await compareCheckpoints(CASE, path, { tolerance: 0.01 });
  assert(near.equal);
  const furthest = near.differences[0]!.largest!;
  assert(furthest > 1e-5 && furthest < 0.01);
  const further = await compareCheckpoints(CASE, path, { tolerance: furthest * 0.99 });
  assertEquals([further.equal, further.differences[0]!.largest], [false, furthest]);
});

Deno.test("compareCheckpoints() compares other GGUF files by names: quantized tensors by their bytes", async () => {
  using temp = new TempDir();
  const metadata = new Map([["general.architecture", text("gemma3")]]);
  const vector: Stored = { name: "v", type: ggmlType(12), shape: [256], data: new Uint8Array(144) };
  const plain: Stored = { name: "p", type: ggmlType(0), shape: [3], data: new Uint8Array(12) };
  const write = (name: string, ...tensors: Stored[]) => writeGguf(temp.at(name), metadata, tensors);
  write("a.gguf", quantized(12), vector, plain);
  write("same.gguf", plain, vector, quantized(12));
  write("bits.gguf", quantized(12, undefined, 1), vector, plain);
  write("type.gguf", quantized(14), vector, plain);
  const compare = async (b: string, tolerance?: number) => {
    const { equal, differences } = await compareCheckpoints(
      temp.at("a.gguf"),
      temp.at(b),
      tolerance === undefined ? {} : { tolerance },
    );
    return [equal, ...differences.map(({ what, a, b }) => `${what} ${a?.dtype} ${b?.dtype}`)];
  };
  assertEquals(await compare("same.gguf"), [true]);
  assertEquals(await compare("same.gguf", 1), [true]);
  assertEquals(await compare("bits.gguf"), [false, "bits Q4_K Q4_K"]);
  assertEquals(await compare("bits.gguf", 1e9), [false, "values Q4_K Q4_K"]);
  assertEquals(await compare("type.gguf"), [false, "dtype Q4_K Q6_K"]);
  assertEquals(await compare("type.gguf", 1e9), [false, "values Q4_K Q6_K"]);
});

Deno.test("compareCheckpoints() compares models in quantizations that can't be undone bit by bit", async () => {
  using temp = new TempDir();
  for (const [name, fill] of [["a", 0], ["same", 0], ["other", 1]] as const) {
    await editGguf(await makeGguf(temp.at(name)), ({ tensors }) => {
      const { shape } = tensors[1]!;
      tensors[1] = { ...tensors[1]!, type: ggmlType(20), data: new Uint8Array(shape[0]! * 18).fill(fill) };
    });
  }
  const compare = async (b: string, tolerance?: number) => {
    const options = tolerance === undefined ? {} : { tolerance };
    const { differences } = await compareCheckpoints(temp.at("a"), b, options);
    return differences.filter(({ tolerated }) => !tolerated)
      .map(({ name, what, b, largest }) => [name, what, b?.dtype, largest]);
  };
  const embedding = "decoder_frontend.embed.weight";
  assertEquals(await compare(temp.at("same")), []);
  assertEquals(await compare(temp.at("other")), [[embedding, "bits", "IQ4_NL", undefined]]);
  assertEquals(await compare(temp.at("other"), 1e9), [[embedding, "values", "IQ4_NL", null]]);
  assertEquals(await compare(CASE, 1e9), [[embedding, "values", "bfloat16", null]]);
});

Deno.test("compareCheckpoints() compares numbers by names through quantizations that can be undone", async () => {
  using temp = new TempDir();
  // A scale of 2, and the numbers from -16 to 15, in each block; an expert's matrix has three dimensions.
  const block = Uint8Array.of(0, 0x40, ...Array.from({ length: 32 }, (_, i) => i - 16));
  const [q8, f32, f16] = [ggmlType(8), ggmlType(0), ggmlType(1)];
  const shape = [2, 3, 64];
  const repeat = <T>(items: Iterable<T>) => Array.from({ length: 12 }, () => [...items]).flat();
  const values = repeat(Array.from({ length: 32 }, (_, i) => 2 * (i - 16)));
  values[100] = values[100]! + 0.5;
  const write = (name: string, ...tensors: Stored[]) => writeGguf(temp.at(name), new Map(), tensors);
  write("q.gguf", { name: "e", type: q8, shape, data: Uint8Array.from(repeat(block)) }, {
    name: "v",
    type: q8,
    shape: [32],
    data: block,
  });
  const vector = Float32Array.from(values.slice(0, 32));
  write("f.gguf", {
    name: "e",
    type: f32,
    shape,
    data: new Uint8Array(Float32Array.from(values).buffer),
  }, { name: "v", type: f32, shape: [32], data: new Uint8Array(vector.buffer) });
  const found = async (a: string, b: string, tolerance: number) => {
    const { equal, differences } = await compareCheckpoints(temp.at(a), temp.at(b), { tolerance });
    return [equal, ...differences.map(({ name, a, b, largest }) => [name, a?.dtype, b?.dtype, largest])];
  };
  for (
    const [a, b, types] of [["q.gguf", "f.gguf", ["Q8_0", "float32"]], ["f.gguf", "q.gguf", [
      "float32",
      "Q8_0",
    ]]] as const
  ) {
    assertEquals(await found(a, b, 1), [true, ["e", ...types, 0.5]]);
    assertEquals(await found(a, b, 0.25), [false, ["e", ...types, 0.5]]);
  }
  // Other bits of numbers that are the same: half the scale, twice the numbers.
  const other = Uint8Array.of(0, 0x3c, ...Array.from({ length: 32 }, (_, i) => 2 * (i - 16)));
  write("other.gguf", { name: "e", type: q8, shape, data: Uint8Array.from(repeat(other)) }, {
    name: "v",
    type: f16,
    shape: [32],
    data: new Uint8Array(new Float16Array(vector).buffer),
  });
  assertEquals(await found("q.gguf", "other.gguf", 0), [true, ["v", "Q8_0", "float16", 0]]);
  assertEquals((await compareCheckpoints(temp.at("q.gguf"), temp.at("other.gguf"))).differences.length, 2);
});

Deno.test("compareCheckpoints() refuses a tensor of a type that it doesn't know", async () => {
  using temp = new TempDir();
  const path = temp.at("a.gguf");
  writeGguf(path, new Map(), [{ name: "v", type: ggmlType(0), shape: [1], data: new Uint8Array(4) }]);
  const bytes = Deno.readFileSync(path);
  bytes[24 + 8 + 1 + 4 + 8] = 99;
  Deno.writeFileSync(path, bytes);
  await assertFailsAsync(
    () => compareCheckpoints(path, path),
    FormatError,
    `a: ${path}: v: is no plain tensor (type 99), which can't be compared`,
  );
});

Deno.test("verifyCheckpoint() checks a model in GGUF, its parts, and its tensors' sums", async () => {
  using temp = new TempDir();
  await makeGguf(temp.at("one"));
  await makeGguf(temp.at("parts"), { maxShardSize: 20_000 });
  for (const [name, count] of [["one", 1], ["parts", 4]] as const) {
    const { ok, files, model } = await verifyCheckpoint(temp.at(name));
    assertEquals([ok, files.length, model?.kind, model?.parameters], [true, count, "GGUF", 21]);
    assertEquals(new Set(files.map(({ checked }) => checked)), new Set(["form"]));
    assertEquals(files.reduce((sum, { records }) => sum + records, 0), 22);
  }
  // What other formats have of the same tensor has the same sum.
  const sums = async (path: string) => {
    const { files } = await verifyCheckpoint(path, { sums: "tensors" });
    return new Map(files.flatMap(({ tensorSums = [] }) => tensorSums.map((sum) => [sum.name, sum.sha256])));
  };
  const ours = await sums(temp.at("parts"));
  const theirs = await sums(join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16", "reference"));
  assertEquals(ours.get("blk.1.attn_q.weight"), theirs.get("layers.1.attention.wq.weight"));
  assert(ours.get("blk.1.attn_q.weight") !== undefined);

  const parts = [...Deno.readDirSync(temp.at("parts"))].map(({ name }) => name).sort();
  Deno.removeSync(temp.at("parts", parts[2]!));
  const { ok, model } = await verifyCheckpoint(temp.at("parts"));
  assertEquals([ok, model?.problem], [
    false,
    `${temp.at("parts")}: ${parts[2]} is missing, a part of the model; all files are needed`,
  ]);
});

Deno.test("verifyCheckpoint() finds parts that are missing, or of other models, whatever the architecture", async () => {
  using temp = new TempDir();
  const parts = [1, 2, 3, 4].map((i) => `split-0000${i}-of-00004.gguf`);
  const make = async (change: (contents: { metadata: Map<string, unknown> }) => void = () => {}) => {
    for (const part of parts) Deno.copyFileSync(at(part), temp.at(part));
    await editGguf(temp.at(parts[0]!), (contents) => {
      contents.metadata.set("general.architecture", text("gemma3"));
      change(contents);
    });
    const { ok, model } = await verifyCheckpoint(temp.path);
    return [ok, model?.problem];
  };
  assertEquals(await make(), [true, undefined]);
  assertEquals(await make(({ metadata }) => metadata.set("split.no", { type: "uint16", value: 2 })), [
    false,
    `${temp.at(parts[0]!)}: says that it is part 3 of 4, but is named as part 1 of 4`,
  ]);
  assertEquals(await make(({ metadata }) => metadata.set("split.no", uint32(0))), [
    false,
    `${temp.at(parts[0]!)}: split.no: is a uint32, and has to be a uint16`,
  ]);
  assertEquals(
    await make(({ metadata }) => metadata.set("split.tensors.count", { type: "int32", value: 6 })),
    [
      false,
      `${temp.at(parts[0]!)}: says that all parts have 6 tensors, but they have 5`,
    ],
  );
  Deno.removeSync(temp.at(parts[3]!));
  const { ok, model } = await verifyCheckpoint(temp.path);
  assertEquals([ok, model?.problem], [
    false,
    `${temp.path}: ${parts[3]} is missing, a part of the model; all files are needed`,
  ]);
});

Deno.test("verifyCheckpoint() checks metadata against tensors, also of quantizations that can't be converted", async () => {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("m"));
  const problem = async (file = path) => {
    const { ok, files, model } = await verifyCheckpoint(file);
    return [ok, files[0]!.problem, model?.problem];
  };
  await editGguf(path, ({ tensors }) => {
    tensors[1] = { ...tensors[1]!, type: ggmlType(20), data: new Uint8Array(50 * 18) };
  });
  assertEquals(await problem(), [true, undefined, undefined]);
  await editGguf(path, ({ metadata }) => void metadata.set("llama.feed_forward_length", uint32(96)));
  assertEquals(await problem(), [
    false,
    undefined,
    `${path}: blk.0.ffn_gate.weight: is [128, 32], but [96, 32] in a model such as ${path} describes`,
  ]);
});

Deno.test("verifyCheckpoint() finds bytes behind the tensors, and a type that isn't known", async () => {
  using temp = new TempDir();
  const path = temp.at("a.gguf");
  const data = new Uint8Array(4);
  writeGguf(path, new Map(), [{ name: "v", type: ggmlType(0), shape: [1], data }]);
  const bytes = Deno.readFileSync(path);
  const problem = async () => (await verifyCheckpoint(path)).files[0]!.problem;
  Deno.writeFileSync(path, bytes.slice(0, -28)); // The padding at the end means nothing.
  assertEquals(await problem(), undefined);
  Deno.writeFileSync(path, new Uint8Array([...bytes, 0]));
  assertEquals(await problem(), "has 1 bytes behind the last tensor, where none belong");
  bytes[24 + 8 + 1 + 4 + 8] = 99;
  Deno.writeFileSync(path, bytes);
  assertEquals(await problem(), "v: is of type 99, which ckpt doesn't know, so where it ends isn't known");
});

Deno.test("inspectGlobals() says that GGUF holds no pickle, unless it may be one", async () => {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("m"));
  assertEquals(await inspectGlobals(path), { globals: [], notes: ["GGUF holds no pickle"], complete: true });

  // A float, and then, where the counts stand, an integer up to the end of the line. CPython 3.11's C unpickler takes it for
  // 0, and goes on: it gives os.system.
  const tensors = Array.from({ length: 256 * "I".charCodeAt(0) }, (_, i): Stored => ({
    name: `t${i}`,
    type: ggmlType(0),
    shape: [0],
    data: new Uint8Array(),
  }));
  writeGguf(temp.at("both.gguf"), new Map([["\ncos\nsystem\n.", text("")]]), tensors);
  const { complete, notes } = await inspectGlobals(temp.at("both.gguf"));
  assertEquals([complete, notes[0]], [false, "is a GGUF file that can be read as a pickle as well"]);
});

Deno.test("compareCheckpoints() tells bits of quantized numbers apart that are the same numbers, with statistics, too", async () => {
  using temp = new TempDir();
  for (const [name, weight] of [["a.gguf", 0], ["b.gguf", 1]] as const) {
    // A block of Q8_0 whose scale is 0.
    const data = new Uint8Array(34).fill(weight, 2);
    writeGguf(temp.at(name), new Map(), [{ name: "w", type: ggmlType(8), shape: [32], data }]);
  }
  for (const statistics of [false, true]) {
    const { equal, differences } = await compareCheckpoints(temp.at("a.gguf"), temp.at("b.gguf"), {
      statistics,
    });
    assertEquals([equal, differences.map(({ what }) => what)], [false, ["bits"]]);
  }
});
