import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const at = (...names: string[]) => join(CHECKPOINTS, ...names);

Deno.test("ckpt verify prints a line for each file and the model, and exits with 0", async () => {
  assertEquals(await ckpt(["verify", at("fairseq2-0.3.0", "llama3_bf16_tp2")]), {
    code: 0,
    stdout: `ok     step_10/model.0.pt  42.5 kB, 25 records, 25 checksums
ok     step_10/model.1.pt  42.5 kB, 25 records, 25 checksums
ok     the model (fairseq2 0.2–0.4)  sizes of its own, 21 tensors, complete
note:  step 10
`,
    stderr: "",
  });
  assertEquals(
    (await ckpt(["verify", at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf")])).stdout,
    `ok     model.safetensors  70.3 kB, 21 records, a format without checksums
ok     the model (Hugging Face)  sizes of its own, 21 tensors, complete
`,
  );
  const file = join(CHECKPOINTS, "..", "torch", "2.13.0", "plain", "model.pt");
  assertEquals(await ckpt(["verify", file]), {
    code: 0,
    stdout: `ok     ${file}  ${(Deno.statSync(file).size / 1000).toFixed(2)} kB, 9 records, 9 checksums\n`,
    stderr: "",
  });
});

Deno.test("ckpt verify exits with 1 where something is wrong, and says what", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.edit(() => {}, { crcs: { "data/3": 1 } }, "model.1.pt");
  const lines = [
    "ok     model.0.pt  42.5 kB, 25 records, 25 checksums",
    "wrong  model.1.pt: data/3: the bytes are damaged (CRC-32 CRC, expected 00000001); " +
    "get the file again from where it was written",
    "ok     the model (fairseq2 0.2–0.4)  sizes of its own, 21 tensors, complete",
  ];
  const run = await ckpt(["verify", copy.step]);
  assertEquals([run.code, run.stdout.replace(/CRC-32 \w+/, "CRC-32 CRC").split("\n").slice(0, -1)], [
    1,
    lines,
  ]);
  const quiet = await ckpt(["verify", "--quiet", copy.step]);
  assertEquals([quiet.code, quiet.stdout], [1, run.stdout.split("\n").slice(1, 2).join() + "\n"]);
  const json = await ckpt(["verify", "--json", "--jobs", "2", copy.step]);
  const { ok, files, model } = JSON.parse(json.stdout);
  assertEquals([json.code, ok, files.length, files[0].tensors, model.parameters], [1, false, 2, 21, 21]);
  assertEquals(Object.keys(files[1]), ["path", "bytes", "records", "checksums", "problem", "tensors"]);
});

Deno.test("ckpt verify says what the model lacks", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.editState((state) => void state.delete("final_proj.weight"));
  const { code, stdout } = await ckpt(["verify", copy.step]);
  assertEquals([code, stdout.split("\n")[1]], [
    1,
    `wrong  the model (fairseq2 0.2–0.4): ${copy.file()}: the model lacks final_proj.weight; the checkpoint is incomplete`,
  ]);
});

Deno.test("ckpt verify refuses what there is nothing to verify in", async () => {
  using temp = new TempDir();
  assertEquals(await ckpt(["verify", temp.path]), {
    code: 1,
    stdout: "",
    stderr: `error: ${temp.path}: holds no files with tensors; name a checkpoint's directory\n`,
  });
  assertEquals(
    (await ckpt(["verify", temp.at("none.pt")])).stdout,
    `wrong  ${temp.at("none.pt")}: no such file or directory; check the path\n`,
  );
  assertEquals(await ckpt(["verify", "--jobs", "0", temp.path]), {
    code: 2,
    stdout: "",
    stderr: 'error: Option --jobs needs a number from 1 to 256, got "0"; see ckpt verify --help\n',
  });
  assertEquals(
    (await ckpt(["verify", temp.path], { permissions: [] })).stderr,
    `error: ${temp.path}: permission to read it was refused; run Deno with --allow-read=${temp.path} (or -A)\n`,
  );
});
