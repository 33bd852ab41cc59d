import { assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import { join } from "../../lib/deps.ts";
import { FileError, FormatError } from "../../lib/error.ts";
import { inspect, type InspectedTensor } from "../../lib/inspect/inspect.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { familyOf } from "../../lib/models/families.ts";
import { expectedParameters, formatName, shapeOf } from "../../lib/models/parameter.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";
import { golden, goldenPath } from "./_golden.ts";

const listings = golden<Record<string, InspectedTensor[]>>("listings.json");
const at = (...names: string[]) => join(CHECKPOINTS, ...names);

for (const [name, expected] of Object.entries(listings)) {
  Deno.test(`inspect() lists the tensors that torch and safetensors find in ${name}`, async () => {
    const path = name === "nested.pt" ? goldenPath(name) : at(name);
    const { tensors, files, format } = await inspect(path);
    const byName = (list: readonly InspectedTensor[]) => list.toSorted((a, b) => a.name < b.name ? -1 : 1);
    // The library gives safetensors' tensors in no order.
    assertEquals(
      format === "safetensors" ? byName(tensors) : tensors,
      format === "safetensors" ? byName(expected) : expected,
    );
    assertEquals(files, [{ name: name.split("/").at(-1)!, bytes: Deno.statSync(path).size }]);
    assertEquals(format, name.endsWith(".safetensors") ? "safetensors" : "torch");
  });
}

Deno.test("inspect() lists a legacy file as it does a new one", async () => {
  const { format, tensors, parameters, notes } = await inspect(goldenPath("nested_legacy.pt"));
  assertEquals([format, tensors], ["torch-legacy", listings["nested.pt"]]);
  assertEquals(notes, [
    "torch's weights_only refuses it: it names argparse.Namespace, __main__.Holder, " +
    "collections.defaultdict and 1 more",
  ]);
  // One tensor is there under two names.
  const all = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  assertEquals(parameters, all - 6);
});

/** The directories of checkpoints, and what they are. */
const directories: readonly (readonly [name: string, layout: string, files: number, dtypeBytes: number])[] = [
  ["fairseq2-0.3.0/llama2_fp16", "fairseq2 0.2-0.3", 1, 2],
  ["fairseq2-0.3.0/llama2_fp32_tp4", "fairseq2 0.2-0.3", 4, 4],
  ["fairseq2-0.3.0/llama3_bf16_tp2/step_10", "fairseq2 0.2-0.3", 2, 2],
  ["fairseq2-0.3.0/llama3_fp32_ddp", "fairseq2 0.2-0.3", 1, 4],
  ["fairseq2-0.4.5/llama3_bf16", "fairseq2 0.4", 1, 2],
  ["fairseq2-0.4.5/llama3_bf16_tp2/step_10", "fairseq2 0.4", 2, 2],
  ["fairseq2-0.8.1/llama3_bf16", "fairseq2 0.5-0.8", 1, 2],
  ["fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints", "fairseq2 0.5-0.8", 3, 2],
  ["fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints/step_10", "fairseq2 0.5-0.8", 4, 4],
  ["expected/fairseq2-0.3.0/llama2_fp32_tp4/reference", "reference", 4, 4],
  ["expected/fairseq2-0.3.0/llama3_bf16/reference", "reference", 1, 2],
  ["expected/fairseq2-0.3.0/llama3_bf16/hf", "huggingface", 1, 2],
];

for (const [name, layout, fileCount, itemBytes] of directories) {
  Deno.test(`inspect() shows the whole model in ${name}`, async () => {
    const { tensors, parameters, bytes, files, format, ...rest } = await inspect(at(name));
    assertEquals([rest.layout, rest.architecture, files.length], [layout, null, fileCount]);
    assertEquals(format, layout === "huggingface" ? "safetensors" : "torch");
    const items = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assertEquals([parameters, bytes], [items, items * itemBytes]);
    assertEquals(parameters, name.includes("llama2") ? 27808 : 34080);
    // The same tensors as in the file of the same model that isn't split, if there is one, but for their dtypes.
    const whole = name.includes("llama2") ? "fairseq2-0.3.0/llama2_fp16" : "fairseq2-0.3.0/llama3_bf16";
    const key = layout === "huggingface"
      ? `expected/${whole}/hf/model.safetensors`
      : layout === "reference"
      ? `expected/${whole}/reference/consolidated.00.pth`
      : `${whole}/step_10/model.pt`;
    const shapes = (list: readonly InspectedTensor[]) =>
      Object.fromEntries(list.map(({ name, shape }) => [name.replace(/^module\./, ""), shape]));
    assertEquals(shapes(tensors), shapes(listings[key]!));
    assertEquals(bytes, tensors.reduce((sum, tensor) => sum + tensor.bytes, 0));
    for (const file of files) assertEquals(Deno.statSync(join(at(name), file.name)).size, file.bytes);
  });
}

Deno.test("inspect() counts tied matrices once", async () => {
  const { parameters, bytes, tensors } = await inspect(at("fairseq2-0.8.1", "llama3_bf16_tied"));
  assertEquals([parameters, bytes, tensors.length], [34080 - 50 * 32, 2 * (34080 - 50 * 32), 21]);
});

Deno.test("inspect() says who wrote the files, and what there is to say of them", async () => {
  const facts = async (path: string) => {
    const { writer, notes } = await inspect(path);
    return [writer, ...notes];
  };
  assertEquals(await facts(at("fairseq2-0.3.0", "llama3_bf16", "step_10")), ["torch zip, torch 2.1 to 2.6"]);
  assertEquals(await facts(at("fairseq2-0.8.1", "llama3_bf16_fsdp3")), [
    "torch zip, torch 2.7 or later",
    "step 10",
    "joined from 3 data-parallel pieces of each",
  ]);
  const torch = join(CHECKPOINTS, "..", "torch");
  assertEquals(await facts(join(torch, "2.13.0", "unusual", "quantized.pt")), [
    "torch zip, torch 2.7 or later",
    "left out: t is no plain tensor (qtensor)",
  ]);
  assertEquals(await facts(join(torch, "2.13.0", "unusual", "module.pt")), [
    "torch zip, torch 2.7 or later",
    "torch's weights_only refuses it: it names torch.nn.modules.linear.Linear",
  ]);
  assertEquals(await facts(join(torch, "2.13.0", "unusual", "legacy.pt")), [
    "torch, legacy format (before 1.6)",
  ]);
});

Deno.test("inspect() takes URLs of local files", async () => {
  const path = at("fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt");
  assertEquals(await inspect(pathToFileURL(path)), await inspect(path));
});

Deno.test("inspect() names the architecture that shapes fit", async () => {
  using temp = new TempDir();
  // 1B in safetensors, of which the header is real and the bytes are holes.
  const file = temp.at("model.safetensors");
  const model = findArchitecture("llama3_2_1b")!;
  let end = 0;
  const header = JSON.stringify(Object.fromEntries(
    expectedParameters(familyOf(model), model).map((each) => {
      const shape = shapeOf(each, model);
      const start = end;
      end += 2 * shape.reduce((a, b) => a * b, 1);
      return [formatName("huggingface", each), { dtype: "BF16", shape, data_offsets: [start, end] }];
    }),
  ));
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  Deno.writeFileSync(file, bytes);
  Deno.truncateSync(file, bytes.length + end);
  const { architecture, layout, parameters } = await inspect(file);
  assertEquals([architecture, layout, parameters], ["llama3_2_1b", "huggingface", 1498482688]);
});

Deno.test("inspect() shows a file of several, and a directory of other files", async () => {
  const shard = await inspect(at("fairseq2-0.3.0", "llama2_fp32_tp4", "step_10", "model.1.pt"));
  assertEquals([shard.layout, shard.architecture, shard.parameters], ["fairseq2 0.2-0.3", null, 7072]);
  using temp = new TempDir();
  for (const [from, to] of [["a", "one.pt"], ["b", "two.pt"]] as const) {
    Deno.copyFileSync(
      join(CHECKPOINTS, "..", "torch", "2.13.0", from === "a" ? "plain" : "digits", "model.pt"),
      temp.at(to),
    );
  }
  Deno.writeTextFileSync(temp.at("README.md"), "");
  const apart = await inspect(temp.path);
  assertEquals(apart.tensors.map(({ name }) => name), ["a", "b", "c", "0", "1", "cpu", "storage"]);
  assertEquals([apart.layout, apart.files.map(({ name }) => name)], [null, ["one.pt", "two.pt"]]);
  assertEquals(apart.notes, [
    `no checkpoint that can be converted: ${temp.path}: holds no checkpoint (model.pt, model/pp_00, consolidated.00.pth, model.safetensors or model.gguf); name its directory`,
  ]);
  Deno.copyFileSync(temp.at("one.pt"), temp.at("three.pt"));
  assertEquals((await inspect(temp.path)).tensors.map(({ name }) => name).slice(0, 4), [
    "one.pt/a",
    "one.pt/b",
    "one.pt/c",
    "three.pt/a",
  ]);
});

Deno.test("inspect() shows Hugging Face models of other architectures", async () => {
  using temp = new TempDir();
  copyTree(at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf"), temp.at("hf"));
  Deno.writeTextFileSync(temp.at("hf", "config.json"), '{"model_type": "gpt2"}');
  const { layout, tensors, notes } = await inspect(temp.at("hf"));
  assertEquals([layout, tensors.length, notes.length], [null, 21, 1]);
});

Deno.test("inspect() shows shards that don't fit together in pieces", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.editState((state) => void state.delete("final_proj.weight"), "model.1.pt");
  const { tensors, notes, architecture } = await inspect(copy.step);
  assertEquals([tensors.length, architecture], [41, null]);
  assertEquals(notes, [
    `${copy.file("model.1.pt")}: lacks final_proj.weight, which ${
      copy.file("model.0.pt")
    } has; the shards are of different models`,
  ]);
});

Deno.test("inspect() refuses what isn't there, isn't a file of tensors, or is damaged", async () => {
  using temp = new TempDir();
  const refuses = async (path: string, type: typeof FileError | typeof FormatError, message: string) =>
    await assertFailsAsync(() => inspect(path), type, `${path}: ${message}`);
  await refuses(temp.at("none"), FileError, "no such file or directory; check the path");
  await refuses(temp.path, FileError, "the directory is empty; name a checkpoint's step directory");
  Deno.writeTextFileSync(temp.at("text"), "hello there");
  await refuses(
    temp.at("text"),
    FormatError,
    "is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file",
  );
  Deno.writeTextFileSync(temp.at("empty"), "");
  await refuses(temp.at("empty"), FormatError, "the file is empty; copy it again");
  const file = Deno.readFileSync(at("fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt"));
  Deno.writeFileSync(temp.at("cut"), file.subarray(0, -1));
  await refuses(
    temp.at("cut"),
    FormatError,
    "the zip archive can't be read (end of central directory not found); it is truncated or damaged, so copy it again",
  );
  const tar = new Uint8Array(1024);
  tar.set(new TextEncoder().encode("ustar"), 257);
  Deno.writeFileSync(temp.at("tar"), tar);
  await refuses(
    temp.at("tar"),
    FormatError,
    "is a tar archive, as torch's first releases wrote them; load it with torch and torch.save it again",
  );
});
