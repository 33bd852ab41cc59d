import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const at = (...names: string[]) => join(CHECKPOINTS, ...names);

Deno.test("ckpt verify prints a line for each file and the model, and exits with 0", async () => {
  assertEquals(await ckpt(["verify", at("fairseq2-0.3.0", "llama3_bf16_tp2")]), {
    code: 0,
    stdout: `ok        step_10/model.0.pt  42.5 kB, 25 records, 25 checksums
ok        step_10/model.1.pt  42.5 kB, 25 records, 25 checksums
ok        the model (fairseq2 0.2–0.4)  sizes of its own, 21 tensors, complete
note:     step 10
`,
    stderr: "",
  });
  assertEquals(
    (await ckpt(["verify", at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf")])).stdout,
    `readable  model.safetensors  70.3 kB, 21 tensors, no checksums
ok        the model (Hugging Face)  sizes of its own, 21 tensors, complete
`,
  );
  const file = join(CHECKPOINTS, "..", "torch", "2.13.0", "plain", "model.pt");
  assertEquals(await ckpt(["verify", file]), {
    code: 0,
    stdout: `ok        ${file}  ${(Deno.statSync(file).size / 1000).toFixed(2)} kB, 9 records, 9 checksums\n`,
    stderr: "",
  });
});

Deno.test("ckpt verify exits with 1 where something is wrong, and says what", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.edit(() => {}, { crcs: { "data/3": 1 } }, "model.1.pt");
  const lines = [
    "ok        model.0.pt  42.5 kB, 25 records, 25 checksums",
    "wrong     model.1.pt: model.decoder.layers.0.self_attn.k_proj.weight (data/3): the bytes are damaged " +
    "(CRC-32 CRC, expected 00000001); " +
    "get the file again from where it was written",
    "ok        the model (fairseq2 0.2–0.4)  sizes of its own, 21 tensors, complete",
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
  assertEquals(Object.keys(files[1]), [
    "path",
    "bytes",
    "records",
    "counted",
    "checksums",
    "checked",
    "problem",
    "tensors",
  ]);
});

Deno.test("ckpt verify says what the model lacks", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.editState((state) => void state.delete("final_proj.weight"));
  const { code, stdout } = await ckpt(["verify", copy.step]);
  assertEquals([code, stdout.split("\n")[1]], [
    1,
    `wrong     the model (fairseq2 0.2–0.4): ${copy.file()}: the model lacks final_proj.weight; the checkpoint is incomplete`,
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
    `wrong     ${temp.at("none.pt")}: no such file or directory; check the path\n`,
  );
  assertEquals(await ckpt(["verify", "--jobs", "0", temp.path]), {
    code: 2,
    stdout: "",
    stderr: 'error: Option --jobs needs a number from 1 to 256, got "0"; see ckpt verify --help\n',
  });
  assertEquals(
    (await ckpt(["verify", temp.path], { permissions: [] })).stderr,
    `error: ${temp.path}: permission to read it was refused; run Deno with --allow-read=${temp.path},${
      join(temp.path, "..", "model.yaml")
    } (or -A)\n`,
  );
});

Deno.test({
  name: "ckpt verify --sums prints what sha256sum checks, and --against compares",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const root = at("fairseq2-0.3.0", "llama3_bf16_tp2");
    const sums = await ckpt(["verify", "--sums", "--tensors", root]);
    assertEquals([sums.code, sums.stderr], [0, ""]);
    const lines = sums.stdout.split("\n").slice(0, -1);
    assertEquals(lines.length, 2 * (1 + 21));
    assertEquals(/^[0-9a-f]{64} {2}step_10\/model\.0\.pt$/.test(lines[0]!), true, lines[0]);
    assertEquals(
      /^# [0-9a-f]{64} {2}step_10\/model\.0\.pt#model\.decoder\S+$/.test(lines[1]!),
      true,
      lines[1],
    );
    // Without tensors, just the lines of files.
    assertEquals(
      (await ckpt(["verify", "--sums", root])).stdout,
      lines.filter((line) => !line.startsWith("#")).map((line) => `${line}\n`).join(""),
    );
    Deno.writeTextFileSync(temp.at("SUMS"), sums.stdout);
    const check = await new Deno.Command("sha256sum", {
      args: ["--check", "--strict", "--quiet", temp.at("SUMS")],
      cwd: root,
    }).output();
    assertEquals(check.code, 0);
    assertEquals(await ckpt(["verify", "--against", temp.at("SUMS"), root]), {
      code: 0,
      stdout: `ok        step_10/model.0.pt  42.5 kB, 25 records, SHA-256 as it should be
ok        step_10/model.1.pt  42.5 kB, 25 records, SHA-256 as it should be
ok        the model (fairseq2 0.2–0.4)  sizes of its own, 21 tensors, complete
note:     step 10
`,
      stderr: "",
    });
    // The other one has the same format, and other numbers.
    const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
    Deno.copyFileSync(copy.file("model.0.pt"), copy.file("model.1.pt"));
    const other = await ckpt(["verify", "--json", "--against", temp.at("SUMS"), copy.path]);
    const { ok, files } = JSON.parse(other.stdout);
    assertEquals([other.code, ok, files.map((file: { checked: string }) => file.checked)], [
      1,
      false,
      ["sums", "checksums"],
    ]);
    assertEquals(
      /^its SHA-256 is [0-9a-f]{64}, but [0-9a-f]{64} in \S+\/SUMS; the tensors that differ are /
        .test(files[1].problem),
      true,
      files[1].problem,
    );
  },
});

Deno.test("ckpt verify --sums prints sums of what nothing is wrong with, and the rest on stderr", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.edit(() => {}, { crcs: { "data/3": 1 } }, "model.1.pt");
  const { code, stdout, stderr } = await ckpt(["verify", "--sums", copy.step]);
  assertEquals([code, stdout.split("\n").length, stdout.slice(64)], [1, 2, "  model.0.pt\n"]);
  assertEquals(
    /^wrong {5}model\.1\.pt: \S+k_proj\.weight \(data\/3\): the bytes are damaged/.test(stderr),
    true,
    stderr,
  );
  // A file by itself goes by its name.
  const file = await ckpt(["verify", "--sums", copy.file("model.0.pt")], {
    permissions: [`--allow-read=${temp.path}`],
  });
  assertEquals([file.code, file.stdout], [0, stdout]);
});

Deno.test("ckpt verify refuses options that don't go together", async () => {
  const refuses = async (args: string[], message: string) =>
    assertEquals(await ckpt(["verify", ...args, "x"]), {
      code: 2,
      stdout: "",
      stderr: `error: ${message}; see ckpt verify --help\n`,
    });
  await refuses(["--sums", "--json"], "Options --sums and --json don't go together");
  await refuses(["--sums", "--against", "y"], "Options --sums and --against don't go together");
  await refuses(["--tensors"], "Option --tensors needs --sums");
});
