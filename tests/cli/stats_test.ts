import { assert, assertEquals, assertLessOrEqual, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { saveSafetensors, tensorOf } from "../../mod.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";
import { ignore, linesLeft, onTerminal } from "./_terminal.ts";

const NAME = "fairseq2-0.3.0/llama3_bf16";
const at = (...names: string[]) => join(CHECKPOINTS, ...names);
const bf16 = at(NAME, "step_10");
const hf = at("expected", NAME, "hf");

/** A checkpoint with a NaN, an infinity and a row of zeros in its embedding of 50 rows of 32. */
function damage(temp: TempDir): string {
  const copy = new CheckpointCopy(NAME, temp.at("in"));
  copy.edit((records) => {
    const embed = records.get("data/0")!.slice();
    embed.set([0xc0, 0x7f], 2 * (12 * 32 + 4));
    embed.set([0xc1, 0xff], 2 * (13 * 32 + 5));
    embed.set([0x80, 0xff], 2 * (3 * 32 + 31));
    embed.fill(0, 64 * 7, 64 * 8);
    embed.set([0x00, 0x80], 64 * 7);
    records.set("data/0", embed);
  });
  return copy.step;
}

Deno.test("ckpt stats shows kinds by layers, the same of any layout", async () => {
  const { code, stdout, stderr } = await ckpt(["stats", bf16]);
  assertEquals([code, stderr], [0, ""]);
  const [head, verdict, , title, ...rows] = stdout.trimEnd().split("\n");
  assertEquals(head, `${bf16}  21 tensors, 34080 numbers, bfloat16`);
  assertEquals(verdict, "  no NaN, no Inf");
  assertMatch(title!, /^ {2}std, by layers +0 +1$/);
  assertEquals(rows.length, 3 + 9);
  assertMatch(rows[2]!, /^ {2}self_attn\.q_proj\.weight +[▁-█]{2} +\S+ +\S+$/);
  const json = async (path: string) => JSON.parse((await ckpt(["stats", "--json", path])).stdout);
  const [a, b] = [await json(bf16), await json(hf)];
  const byName = ({ tensors }: { tensors: { name: string }[] }) =>
    tensors.toSorted((x, y) => x.name < y.name ? -1 : 1);
  assertEquals(byName(a), byName(b));
});

Deno.test("ckpt stats shows first what stands out, and fails on what it is told to", async () => {
  using temp = new TempDir();
  const step = damage(temp);
  const { code, stdout } = await ckpt(["stats", step]);
  assertEquals(code, 0);
  assertEquals(stdout.split("\n").slice(1, 4), [
    "  2 NaN, 1 Inf",
    "  ! decoder_frontend.embed.weight: 2 NaN, the first at [12, 4]; 1 Inf, at [3, 31]",
    "  ? decoder_frontend.embed.weight: 1 row all zero",
  ]);
  for (const [what, expected] of [["nan", 1], ["inf", 1], ["zero-rows", 1], ["nan,inf", 1]] as const) {
    assertEquals(await ckpt(["stats", "--quiet", "--fail-on", what, step]), {
      code: expected,
      stdout: "",
      stderr: "",
    });
  }
  assertEquals((await ckpt(["stats", "--quiet", "--fail-on", "nan,inf,zero-rows", bf16])).code, 0);
  const wrong = await ckpt(["stats", "--fail-on", "nan,what", bf16]);
  assertEquals(wrong.code, 2);
  assert(wrong.stderr.includes('Option --fail-on needs nan, inf, zero-rows, or several, got "what"'));
  assertEquals((await ckpt(["stats", temp.at("none")])).code, 2);
});

Deno.test("ckpt stats --all shows each tensor with its exponents", async () => {
  const { stdout } = await ckpt(["stats", "--all", bf16]);
  const lines = stdout.trimEnd().split("\n").slice(3);
  assertEquals(lines.length, 21);
  for (const line of lines) {
    assertMatch(line, /^ {2}\S+ +mean \S+ +std \S+ +min \S+ +max \S+ +2\^-?\d+ [ ▁-█]+ 2\^-?\d+$/);
  }
});

Deno.test("ckpt verify --values finds NaN and Inf, and where the first is", async () => {
  using temp = new TempDir();
  const step = damage(temp);
  const { code, stdout } = await ckpt(["verify", "--values", step]);
  assertEquals(code, 1);
  assertMatch(
    stdout,
    /^wrong {5}model\.pt: model\.decoder_frontend\.embed\.weight: 2 NaN, the first at \[12, 4\]; 1 Inf, at \[3, 31\]$/m,
  );
  assertMatch((await ckpt(["verify", step])).stdout, /^ok +model\.pt .* checksums$/m);
  const good = await ckpt(["verify", "--values", bf16]);
  assertEquals(good.code, 0);
  assertMatch(good.stdout, /^ok +model\.pt .* checksums, no NaN, no Inf$/m);
});

Deno.test("ckpt compare --stats shows how far each kind moved, in JSON each tensor", async () => {
  const other = at("fairseq2-0.3.0/llama3_bf16_tp2", "step_10");
  const { code, stdout } = await ckpt(["compare", "--stats", bf16, other]);
  assertEquals(code, 1);
  assertMatch(stdout, /^ {2}share {3}\d+ tensors of the same names/m);
  assertMatch(stdout, /^ {2}differ {2}/m);
  assertMatch(stdout, /^ {2}relative L2, by layers/m);
  const same = await ckpt(["compare", "--stats", "--json", bf16, hf]);
  assertEquals(same.code, 0);
  const { equal, differences, tensors } = JSON.parse(same.stdout);
  assertEquals([equal, differences, tensors.length], [true, [], 21]);
  for (const { maxAbsDiff, relativeL2, cosine, equalShare } of tensors) {
    assertEquals([maxAbsDiff, relativeL2, cosine, equalShare], [0, 0, 1, 1]);
  }
});

Deno.test("ckpt compare folds layers of which the same is to be said", async () => {
  const cast = at("fairseq2-0.3.0/llama3_fp32_ddp");
  const { stdout } = await ckpt(["compare", cast, at("expected/fairseq2-0.3.0/llama3_fp32_ddp/hf")]);
  assertMatch(stdout, /^ {2}differ {2}all of another dtype \(float32 in a, bfloat16 in b\)$/m);
  assertMatch(stdout, /^ {2}decoder\.layers\.0–1\.ffn\.gate_proj\.weight +float32 in a, bfloat16 in b$/m);
  assertEquals(stdout.match(/ in a, /g)!.length, 1 + 12);
});

Deno.test("ckpt compare --stats says 100 % of numbers that are all equal alone", async () => {
  using temp = new TempDir();
  const values = new Float32Array(5000).fill(1);
  await saveSafetensors(temp.at("a.safetensors"), new Map([["w", tensorOf(values)]]));
  values[7] = 2;
  await saveSafetensors(temp.at("b.safetensors"), new Map([["w", tensorOf(values)]]));
  const { stdout } = await ckpt(["compare", "--stats", temp.at("a.safetensors"), temp.at("b.safetensors")]);
  assertStringIncludes(stdout, ", 99.9 % equal");
});

for (const args of [["stats", bf16], ["stats", "--all", bf16], ["compare", "--stats", bf16, hf]]) {
  Deno.test({
    name: `ckpt ${args.slice(0, -1).filter((word) => word !== bf16).join(" ")} fits a terminal`,
    ignore,
    async fn() {
      for (const columns of [60, 80, 120]) {
        const lines = linesLeft(await onTerminal(args, { columns, cwd: CHECKPOINTS }));
        // The path is as long as it is.
        const widest = Math.max(
          ...lines.filter((line) => !line.includes("/")).map((line) => [...line].length),
        );
        assertLessOrEqual(widest, columns, lines.join("\n"));
      }
    },
  });
}
