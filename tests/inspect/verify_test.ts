import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { type Verification, verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { verifyFile } from "../../lib/inspect/verify_file.ts";
import { Tuple } from "../../lib/pickle/mod.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { changeTensor, CheckpointCopy, CHECKPOINTS, readRecords } from "../_torch_files.ts";

const at = (...names: string[]) => join(CHECKPOINTS, ...names);

const checkpoints: readonly string[] = [
  ...["fairseq2-0.3.0", "fairseq2-0.4.5", "fairseq2-0.8.1"].flatMap((version) =>
    [...Deno.readDirSync(at(version))].filter(({ name }) => name.startsWith("llama")).flatMap(({ name }) => [
      `${version}/${name}`,
      `expected/${version}/${name}/reference`,
      `expected/${version}/${name}/hf`,
    ])
  ),
].sort();

for (const name of checkpoints) {
  Deno.test(`verifyCheckpoint() finds nothing wrong with ${name}`, async () => {
    const { ok, files, model } = await verifyCheckpoint(at(name));
    assertEquals([ok, model?.problem, files.map(({ problem }) => problem)], [
      true,
      undefined,
      files.map(() => undefined),
    ]);
    assertEquals([model!.parameters, files.every(({ tensors }) => tensors.length === 21)], [21, true]);
    const isTorch = !name.endsWith("/hf");
    for (const { path, bytes, records, checksums } of files) {
      assertEquals(bytes, Deno.statSync(path).size);
      assertEquals([checksums, records > 20], [isTorch ? records : 0, true]);
    }
  });
}

Deno.test("verifyCheckpoint() verifies files that are no model of LLaMA's", async () => {
  const folder = join(CHECKPOINTS, "..");
  for (
    const [path, records, checksums] of [["torch/2.13.0/plain", 9, 9], ["torch_legacy/plain", 3, 0]] as const
  ) {
    const { ok, files, model } = await verifyCheckpoint(join(folder, path, "model.pt"));
    assertEquals([ok, model, files.length], [true, undefined, 1]);
    assertEquals([files[0]!.records, files[0]!.checksums, files[0]!.tensors], [records, checksums, [
      "a",
      "b",
      "c",
    ]]);
  }
  // Nothing in them is run, so what they name doesn't matter.
  assertEquals((await verifyCheckpoint(join(folder, "torch", "2.13.0", "unusual"))).ok, true);
});

/** All that is wrong, in short: files by name, then the model. */
function problems(root: string, { ok, files, model }: Verification): string[] {
  const found = files.flatMap(({ path, problem }) =>
    problem === undefined ? [] : [`${path.slice(root.length + 1)}: ${problem}`]
  );
  if (model?.problem !== undefined) found.push(`model: ${model.problem.replaceAll(root, "")}`);
  assertEquals(ok, found.length === 0);
  return found;
}

Deno.test("verifyCheckpoint() finds a bit that flipped in any record", async () => {
  using temp = new TempDir();
  const source = at("fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt");
  const file = Deno.readFileSync(source);
  const text = new TextDecoder("latin1").decode(file);
  for (const [name, data] of readRecords(source)) {
    const content = new TextDecoder("latin1").decode(data);
    const last = text.indexOf(content) + data.length - 1;
    const damaged = file.slice();
    damaged[last] = damaged[last]! ^ 0x80;
    Deno.writeFileSync(temp.at("model.pt"), damaged);
    const { ok, files } = await verifyCheckpoint(temp.at("model.pt"));
    assertEquals(ok, false, name);
    assertEquals(
      /^(?:\S+(?: \(data\/\d+\))?: the bytes are damaged \(CRC-32 [0-9a-f]{8}, expected [0-9a-f]{8}\); get the file again from where it was written|data\.pkl: .*)$/
        .test(files[0]!.problem!),
      true,
      `${name}: ${files[0]!.problem}`,
    );
    const place = name.startsWith("data/") ? `weight (${name})` : name;
    assertEquals(files[0]!.problem!.includes(`${place}: the bytes`), true, files[0]!.problem);
  }
});

Deno.test("verifyCheckpoint() says where torch was told to write no checksums", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.edit(() => {}, { crcs: { "data.pkl": 0 } });
  assertEquals(
    problems(copy.step, await verifyCheckpoint(copy.step))[0],
    "model.pt: data.pkl: states no checksum (torch.serialization.set_crc32_options(False)), so damage couldn't be told; " +
      "load the file with torch and torch.save it again, with checksums",
  );
});

Deno.test("verifyCheckpoint() reads no pickle before its checksum was compared", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.edit((records) => records.set("data.pkl", new Uint8Array([0xff])), { crcs: { "data.pkl": 1 } });
  assertEquals(problems(copy.step, await verifyCheckpoint(copy.step)), [
    "model.pt: data.pkl: the bytes are damaged (CRC-32 ff000000, expected 00000001); " +
    "get the file again from where it was written",
  ]);
});

Deno.test("verifyCheckpoint() finds tensors outside their storages, in any file", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  const name = "decoder.layer_norm.weight";
  copy.editState(
    (state) => void state.set(name, changeTensor(state.get(name)!, { shape: new Tuple(33) })),
    "model.1.pt",
  );
  assertEquals(problems(copy.step, await verifyCheckpoint(copy.step)), [
    `model.1.pt: model.${name}: the tensor [33] reaches past its storage of 64 bytes; the file is damaged`,
  ]);
});

Deno.test("verifyCheckpoint() finds a state dict that isn't complete", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.editState((state) => void state.delete("decoder.layers.1.ffn_layer_norm.weight"));
  const missing =
    "the weights are not those of /model.yaml: decoder.layers.1.ffn_layer_norm.weight is missing; " +
    "no published architecture has these shapes";
  assertEquals(problems(copy.path, await verifyCheckpoint(copy.path)), [
    `model: /step_10/model.pt: ${missing}`,
  ]);
  // Without a configuration it is found as well.
  copy.removeYaml();
  assertEquals(problems(copy.path, await verifyCheckpoint(copy.path)), [
    "model: decoder.layers.1.ffn_layer_norm.weight is missing",
  ]);
});

Deno.test("verifyCheckpoint() finds files that are missing", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama2_fp32_tp4", temp.at("in"));
  Deno.removeSync(copy.file("model.3.pt"));
  const [problem] = problems(copy.path, await verifyCheckpoint(copy.path));
  assertEquals(
    problem,
    "model: /step_10: holds 3 of the 4 shards that /model.yaml speaks of; all shards are needed",
  );
  Deno.removeSync(copy.file("model.1.pt"));
  assertEquals(problems(copy.path, await verifyCheckpoint(copy.path)), [
    "model: /step_10: model.1.pt is missing, but model.2.pt is there; all shards are needed",
  ]);
});

Deno.test("verifyCheckpoint() compares configurations with the weights", async () => {
  using temp = new TempDir();
  copyTree(at("expected", "fairseq2-0.3.0", "llama3_bf16"), temp.at("out"));
  const edit = (path: string, from: string, to: string) => {
    const text = Deno.readTextFileSync(path);
    assertEquals(text.includes(from), true, text);
    Deno.writeTextFileSync(path, text.replace(from, to));
  };
  edit(temp.at("out", "reference", "params.json"), '"n_layers": 2', '"n_layers": 3');
  const [params] = problems(temp.at("out", "reference"), await verifyCheckpoint(temp.at("out", "reference")));
  assertEquals(
    params,
    "model: /consolidated.00.pth: the weights are not those of : decoder.layers.2.self_attn_layer_norm.weight is " +
      "missing; decoder.layers.2.self_attn.q_proj.weight is missing; decoder.layers.2.self_attn.k_proj.weight is " +
      "missing; and 6 more; no published architecture has these shapes",
  );
  edit(temp.at("out", "hf", "config.json"), '"vocab_size": 50', '"vocab_size": 51');
  assertEquals(problems(temp.at("out", "hf"), await verifyCheckpoint(temp.at("out", "hf"))), [
    "model: /model.safetensors: lm_head.weight: is [50, 32], but [51, 32] in a model such as config.json describes",
  ]);
});

Deno.test("verifyCheckpoint() notes copies that differ between shards", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.editState(
    (state) =>
      void state.set("decoder.layer_norm.weight", state.get("decoder.layers.0.ffn_layer_norm.weight")!),
    "model.1.pt",
  );
  const { ok, model } = await verifyCheckpoint(copy.step);
  assertEquals([ok, model!.notes], [true, [
    "decoder.layer_norm.weight differs between the shards, though each should have the same copy",
  ]]);
});

Deno.test("verifyCheckpoint() reports each file, and how far it is", async () => {
  const path = at("fairseq2-0.8.1", "llama3_fp32_tp2_fsdp2");
  const files: string[] = [];
  const reports: [number, number][] = [];
  const found = await verifyCheckpoint(path, {
    onFile: ({ path }) => files.push(path),
    onProgress: (...report) => reports.push(report),
  });
  assertEquals(files, found.files.map(({ path }) => path));
  assertEquals(files.map((file) => file.slice(-9)), ["sdp_00.pt", "sdp_01.pt", "sdp_00.pt", "sdp_01.pt"]);
  const total = found.files.reduce((sum, { bytes }) => sum + bytes, 0);
  assertEquals([reports.length, reports.every(([done, of]) => done <= of && of === total)], [4, true]);
});

Deno.test("verifyCheckpoint() says what a file that can't be read lacks, and refuses what isn't there", async () => {
  using temp = new TempDir();
  assertEquals((await verifyFile(temp.at("none.pt"))).problem, "no such file or directory; check the path");
  await assertFailsAsync(
    () => verifyCheckpoint(temp.path),
    FileError,
    `${temp.path}: holds no files with tensors; name a checkpoint's directory`,
  );
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => verifyCheckpoint(at("fairseq2-0.3.0", "llama3_bf16"), { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
});
