/**
 * What is wrong with the command line by itself ends with 2, before any file is looked at; what a file is wrong for,
 * with 1 (2 of `compare`, whose 1 says that two checkpoints differ).
 */

import { assertEquals, assertMatch } from "@std/assert";
import { commands } from "../../lib/cli/commands.ts";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

/** Values that an option can't have, by the command and the option; of others, none, and no word of those to choose from. */
const badOfConvert: Readonly<Record<string, readonly string[]>> = {
  model: ["", "nonsense", "llama3_2_1", "../model"],
  to: ["", "gguff", "Hugging Face", "pt"],
  from: ["", "torch"],
  layout: ["", "0.4"],
  dtype: ["", "int8", "q4_0", "bfloat"],
  step: ["", "-1", "1.5", "last", "99999999999999999999"],
  shards: ["", "0", "-2", "two", "1e3", "100000"],
  "max-shard-size": ["", "0", "-5GB", "5 parsecs", "GB"],
  tokenizer: [""],
  "tokenizer-pre": [""],
  "ignore-config": [""],
  jobs: ["", "0", "-1", "257", "many"],
  task: ["", "9/8", "0/8", "8", "-1/8", "a/b", "1/0", "1/8/2"],
};
const bad: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  convert: badOfConvert,
  "llama convert_checkpoint": badOfConvert,
  "tensors convert": {
    key: [""],
    from: ["torch"],
    step: ["", "-1", "last"],
    only: [""],
    drop: [""],
    rename: ["", "a", "=b", "a="],
    dtype: ["", "q8_0", "int8"],
    "max-shard-size": ["", "0", "5 parsecs"],
    jobs: ["0", "x"],
  },
  inspect: { from: ["torch"] },
  stats: { "fail-on": ["", "x", "nan,", "NaN inf"], from: ["torch"], jobs: ["0", "x"] },
  compare: { from: ["torch"], tolerance: ["", "x", "-1", "NaN"], jobs: ["0", "x"] },
  verify: { from: ["torch"], against: [""], jobs: ["0", "x"] },
};

/** Options that don't go together, or not with a layout. */
const together: readonly (readonly string[])[] = [
  ["convert", "--tokenizer", "x", "--no-tokenizer", "in", "out"],
  ["convert", "--to", "huggingface", "--shards", "2", "in", "out"],
  ["convert", "--to", "huggingface", "--layout", "native", "in", "out"],
  ["convert", "--to", "reference", "--tokenizer", "x", "in", "out"],
  ["convert", "--to", "meta", "--instruct", "in", "out"],
  ["convert", "--to", "fairseq2", "--dtype", "q8_0", "in", "out"],
  ["convert", "--to", "fairseq2", "--max-shard-size", "5GB", "in", "out"],
  ["convert", "--to", "huggingface", "--tokenizer-pre", "qwen2", "in", "out"],
  ["convert", "--to", "gguf", "in", "out.gguf"],
  ["convert", "--task", "1/2", "--restart", "in", "out"],
  ["inspect", "--globals", "--tensors", "in"],
  ["inspect", "--globals", "--from", "gguf", "in"],
  ["verify", "--sums", "--json", "in"],
  ["verify", "--sums", "--against", "x", "in"],
  ["verify", "--tensors", "in"],
  ["convert", "--quiet=1", "in", "out"],
  ["convert", "--bogus", "in", "out"],
  ["convert", "in"],
  ["convert", "in", "out", "more"],
  ["convert", "in", ""],
  ["inspect"],
  ["compare", "a"],
  ["models", "more"],
  ["completions", "tcsh"],
  ["man", "ual"],
  ["nonsense"],
  ["llama"],
];

async function assertBadUsage(args: readonly string[]): Promise<void> {
  // Nothing is there to look at, and nothing may be.
  const { code, stdout, stderr } = await ckpt(args, { permissions: ["--deny-read", "--deny-write"] });
  assertEquals([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
  assertMatch(stderr, /^error: [^\n]+; see ckpt [a-z_ ]*--help\n$/, args.join(" "));
}

for (const { words, options, positionals } of commands) {
  const [name, args] = [words.join(" "), positionals.map(({ name }) => name)];
  Deno.test(`ckpt ${name} ends with 2 for a value that an option can't have`, async () => {
    for (const option of options.filter(({ value }) => value !== undefined)) {
      const values = bad[name]?.[option.name] ?? ["", ...(option.choices === undefined ? [] : ["nonsense"])];
      for (const value of values) await assertBadUsage([...words, `--${option.name}=${value}`, ...args]);
    }
  });
}

Deno.test("options that don't go together end with 2", async () => {
  for (const args of together) await assertBadUsage(args);
});

Deno.test("what a file is wrong for ends with 1, or 2 of compare", async () => {
  using temp = new TempDir();
  const [input, output] = [join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "step_10"), temp.at("out")];
  const cases: readonly (readonly [code: number, ...args: string[]])[] = [
    [1, "convert", temp.at("none"), output],
    [1, "convert", "--step", "7", join(input, ".."), output],
    [1, "convert", "--from", "gguf", input, output],
    [1, "convert", "--to", "reference", "--shards", "3", input, output],
    [1, "convert", "--model", "llama3_2_1b", input, output],
    [1, "convert", "--model", temp.at("none.yaml"), input, output],
    [1, "convert", "--tokenizer", temp.at("none"), input, output],
    [1, "convert", "--ignore-config", "none", input, output],
    [1, "inspect", temp.at("none")],
    [2, "compare", temp.at("none"), input],
  ];
  for (const [expected, ...args] of cases) {
    const { code, stdout, stderr } = await ckpt(args);
    assertEquals([code, stdout], [expected, ""], `${args.join(" ")}: ${stderr}`);
    assertMatch(stderr, /^error: [^\n]+\n$/);
    assertEquals(stderr.includes("--help"), false, stderr);
  }
});
