import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const at = (...names: string[]) => join(CHECKPOINTS, ...names);
const bf16 = at("fairseq2-0.3.0", "llama3_bf16", "step_10");
const hf = at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf");

Deno.test("ckpt compare exits with 0 for the same model in another layout", async () => {
  assertEquals(await ckpt(["compare", bf16, hf]), {
    code: 0,
    stdout: `The same: 21 tensors, bit for bit
  a  ${bf16} (fairseq2 0.2–0.4)
  b  ${hf} (Hugging Face)
`,
    stderr: "",
  });
  assertEquals(await ckpt(["compare", "--quiet", bf16, hf]), { code: 0, stdout: "", stderr: "" });
});

Deno.test("ckpt compare exits with 1 for models that differ, and says where", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.edit((records) => {
    const embed = records.get("data/0")!.slice();
    embed.set([0x80, 0x3f, 0, 0x40]); // 1 and 2 in bfloat16
    records.set("data/0", embed);
  });
  const other = copy.step;
  assertEquals(await ckpt(["compare", bf16, other]), {
    code: 1,
    stdout: `Different: 1 of the tensors
  a  ${bf16} (fairseq2 0.2–0.4)
  b  ${other} (fairseq2 0.2–0.4)
  decoder_frontend.embed.weight  other bits: bfloat16 [50, 32]
  --stats and --tolerance X show how far the numbers differ
`,
    stderr: "",
  });
  const { code, stdout } = await ckpt(["compare", "--tolerance", "0.5", "--json", bf16, other]);
  const { equal, differences, tensors } = JSON.parse(stdout);
  assertEquals([code, equal, tensors, differences.length, differences[0].what], [1, false, 21, 1, "values"]);
  const tolerant = await ckpt(["compare", "--tolerance", "10", bf16, other]);
  assertEquals([tolerant.code, tolerant.stdout.split("\n")[0]], [
    0,
    "The same within 10: 21 tensors, 1 of which differ in bits or dtype",
  ]);
});

Deno.test("ckpt compare shows the tensors that are furthest apart first", async () => {
  const name = "fairseq2-0.3.0/llama3_fp32_ddp";
  const { code, stdout } = await ckpt([
    "compare",
    "--tolerance",
    "1e-3",
    at(name),
    at("expected", name, "hf"),
  ]);
  const lines = stdout.split("\n").slice(3, -1);
  assertEquals([code, lines.length], [1, 21]);
  assertEquals(
    lines[0]!.replace(/0\.00\d+/, "X"),
    "  decoder.layers.0.self_attn_layer_norm.weight   up to X apart (float32, bfloat16)",
  );
  assertEquals(lines.at(-1), "  and 1 more; --json has them all");
  const far = lines.slice(0, -1).map((line) => Number(/up to (\S+) apart/.exec(line)![1]));
  assertEquals(far, far.toSorted((a, b) => b - a));
  assertEquals(lines.filter((line) => line.endsWith("(within the tolerance)")).length, 15);
});

Deno.test("ckpt compare exits with 2 where it can't compare", async () => {
  using temp = new TempDir();
  assertEquals(await ckpt(["compare", bf16, temp.at("none")]), {
    code: 2,
    stdout: "",
    stderr: `error: b: ${temp.at("none")}: no such file or directory; check the path\n`,
  });
  Deno.writeTextFileSync(temp.at("x.pt"), "nonsense");
  const nonsense = `${
    temp.at("x.pt")
  }: is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file`;
  for (
    const [a, b, side] of [[temp.at("x.pt"), bf16, "a"], [temp.at("x.pt"), temp.at("x.pt"), "a"]] as const
  ) {
    const { code, stdout, stderr } = await ckpt(["compare", a, b]);
    assertEquals([code, stdout, stderr.split("\n").length], [2, "", 2]);
    assert(stderr.startsWith(`error: ${side}: ${nonsense}`), stderr);
  }
  assertEquals(await ckpt(["compare", bf16, hf], { permissions: [`--allow-read=${bf16}`] }), {
    code: 2,
    stdout: "",
    stderr: `error: ${hf}: permission to read it was refused; run Deno with --allow-read=${hf},${
      [bf16, hf].map((path) => join(path, "..", "model.yaml"))
    } (or -A)\n`,
  });
  for (const value of ["-1", "x", " "]) {
    assertEquals(await ckpt(["compare", `--tolerance=${value}`, bf16, hf]), {
      code: 2,
      stdout: "",
      stderr: `error: Option --tolerance needs a number from 0, got ${
        JSON.stringify(value)
      }; see ckpt compare --help\n`,
    });
  }
});

Deno.test("ckpt compare works with permission to read the two alone", async () => {
  const permissions = [`--allow-read=${bf16},${hf}`];
  const { code, stderr } = await ckpt(["compare", bf16, hf], { permissions });
  assertEquals([code, stderr], [0, ""]);
});
