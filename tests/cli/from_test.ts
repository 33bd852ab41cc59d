/**
 * `--from`, which says which of several checkpoints in a directory is meant.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt, CONVERT } from "../_ckpt.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const EXPECTED = join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama3_bf16");

/** A directory with a checkpoint of Meta's form, and one of Hugging Face's. */
function mixed(temp: TempDir): string {
  for (const name of ["reference", "hf"]) copyTree(join(EXPECTED, name), temp.at("in"));
  return temp.at("in");
}

Deno.test("every command refuses several checkpoints, and takes the one of --from", async () => {
  using temp = new TempDir();
  const path = mixed(temp);
  const stderr =
    `${path}: holds several checkpoints: consolidated.00.pth (reference) and model.safetensors ` +
    "(huggingface); say which with --from reference or --from huggingface\n";
  const yaml = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16/model.yaml");
  const calls: [args: string[], failed: number][] = [
    [[...CONVERT, "--quiet", "--model", yaml, path, temp.at("out")], 1],
    [["inspect", path], 1],
    [["verify", "--quiet", path], 1],
    [["compare", "--quiet", path, join(EXPECTED, "hf")], 2],
  ];
  for (const [args, failed] of calls) {
    const side = args[0] === "compare" ? "a: " : "";
    assertEquals(await ckpt(args), { code: failed, stdout: "", stderr: `error: ${side}${stderr}` });
    const { code, stderr: said } = await ckpt([...args, "--from", "huggingface"]);
    assertEquals([code, said], [0, ""], args.join(" "));
  }
  assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
});

Deno.test("ckpt compare takes --from twice, for each of two directories", async () => {
  using temp = new TempDir();
  const path = mixed(temp);
  const { code, stdout } = await ckpt(["compare", "--from", "meta", path, "--from=huggingface", path]);
  assertEquals(code, 0);
  assertMatch(
    stdout,
    /^The same: 21 tensors, bit for bit\n {2}a {2}.* \(reference\)\n {2}b {2}.* \(Hugging Face\)\n/,
  );
});

const refused: readonly (readonly [args: readonly string[], message: string])[] = [
  [
    [...CONVERT, "--from", "safetensors", "in", "out"],
    'Option --from needs one of reference, meta, huggingface, fairseq2, gguf, got "safetensors"; see ckpt llama ' +
    "convert_checkpoint --help",
  ],
  [
    ["compare", "--from", "meta", "--from", "x", "a", "b"],
    'Option --from needs one of reference, meta, huggingface, fairseq2, gguf, got "x"; see ckpt compare --help',
  ],
  [
    ["compare", ...Array(3).fill("--from=meta"), "a", "b"],
    "Option --from was given 3 times; see ckpt compare --help",
  ],
  [
    ["verify", "--from=meta", "--from=meta", "a"],
    "Option --from was given 2 times; see ckpt verify --help",
  ],
  [
    ["inspect", "--globals", "--from", "meta", "a"],
    "Options --globals and --from don't go together; see ckpt inspect --help",
  ],
];

for (const [args, message] of refused) {
  Deno.test(`ckpt ${args.join(" ")} is no call`, async () => {
    assertEquals(await ckpt(args), { code: 2, stdout: "", stderr: `error: ${message}\n` });
  });
}
