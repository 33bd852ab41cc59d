/**
 * What lies beside the weights of a Hugging Face input, and what becomes of it in every layout.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint, type ConvertOptions } from "../../mod.ts";
import { openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
import { FileError, FormatError, OptionError } from "../../lib/error.ts";
import { ConfigError } from "../../lib/models/config_error.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { copyTree, snapshot, TempDir } from "../_temp.ts";

const SOURCE = join(
  import.meta.dirname!,
  "..",
  "..",
  "fixtures",
  "huggingface",
  "transformers-4.46.3",
  "scaled",
);

/** A generation_config.json such as nobody here prints. */
const GENERATION =
  '{\n    "eos_token_id": [2, 8, 9],\n    "future": {"x": [1.50, null]}, "temperature": 0.70\n}';

/** Files of a tokenizer, and others. */
const TOKENIZER = {
  "tokenizer.json": '{"added_tokens": [{"id": 9, "content": "<|eot|>"}]}',
  "tokenizer_config.json": '{"eos_token": "<|eot|>", "auto_map": {"AutoTokenizer": ["x.X", null]}}',
  "chat_template.jinja": "{{ messages }}<|eot|>",
};
const OTHERS = { "LICENSE": "MIT", "README.md": "# hi", "modeling_x.py": "raise SystemExit" };

/** A Hugging Face directory whose model stops at three tokens. */
function makeInput(temp: TempDir, files: Readonly<Record<string, string>> = {}): string {
  const path = temp.at("in");
  copyTree(SOURCE, path);
  const config = JSON.parse(Deno.readTextFileSync(join(path, "config.json")));
  writeAll(path, {
    "config.json": JSON.stringify({ ...config, bos_token_id: 1, eos_token_id: [2, 8, 9] }),
    "generation_config.json": GENERATION,
    ...files,
  });
  return path;
}

function writeAll(path: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(path, name), text);
}

function json(...path: string[]): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(join(...path)));
}

/** Converts, and gives the notes and the tokens that are read back. */
async function convert(options: ConvertOptions): Promise<{ notes: readonly string[]; tokens: unknown[] }> {
  const { notes } = await convertCheckpoint(options);
  const { model } = resolveModel(await openCheckpoint(options.output));
  return { notes, tokens: [model.bosId, model.eosIds] };
}

/** What is written in any case, in order. */
const MODEL_FILES = ["README.md", "config.json", "generation_config.json", "model.safetensors"];

Deno.test("several tokens that end a sequence go from Hugging Face to Hugging Face, in both files", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  const { tokens } = await convert({ input, output: temp.at("out"), to: "huggingface" });
  assertEquals(tokens, [1, [2, 8, 9]]);
  assertEquals(json(temp.at("out"), "config.json").eos_token_id, [2, 8, 9]);
  assertEquals(Deno.readTextFileSync(temp.at("out", "generation_config.json")), GENERATION);
});

Deno.test("generation_config.json is made of config.json's tokens where there is none", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  Deno.removeSync(join(input, "generation_config.json"));
  await convertCheckpoint({ input, output: temp.at("out"), to: "huggingface" });
  assertEquals(json(temp.at("out"), "generation_config.json"), {
    bos_token_id: 1,
    eos_token_id: [2, 8, 9],
    transformers_version: "4.46.3",
  });
});

Deno.test("where a layout can't say several tokens, or none, a note says which are lost", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  const lost: readonly (readonly [options: Partial<ConvertOptions>, tokens: unknown[], note: string])[] = [
    [
      { to: "fairseq2", layout: "legacy" },
      [1, [2]],
      "model.yaml has room for one token that ends a sequence; lost: 8 and 9 end a sequence",
    ],
    [
      { to: "fairseq2", layout: "native" },
      [undefined, undefined],
      "model.yaml says no special tokens from fairseq2 0.5 on; lost: 1 begins a sequence, 2, 8 and 9 end a sequence",
    ],
    [
      { to: "reference" },
      [undefined, undefined],
      "the reference layout says no special tokens; lost: 1 begins a sequence, 2, 8 and 9 end a sequence",
    ],
    [
      { to: "meta" },
      [undefined, undefined],
      "the meta layout says no special tokens; lost: 1 begins a sequence, 2, 8 and 9 end a sequence",
    ],
  ];
  for (const [i, [options, tokens, note]] of lost.entries()) {
    const found = await convert({ input, output: temp.at(`out${i}`), ...options });
    assertEquals(found.tokens, tokens);
    assertEquals(found.notes.filter((each) => each.includes("special tokens") || each.includes("lost")), [
      note,
    ]);
  }
});

Deno.test("the tokenizer of a Hugging Face input goes along, and what doesn't is named", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, { ...TOKENIZER, ...OTHERS });
  const before = snapshot(input);
  const { notes, files } = await convertCheckpoint({ input, output: temp.at("out"), to: "huggingface" });
  const names = [...MODEL_FILES, ...Object.keys(TOKENIZER)].sort();
  assertEquals(temp.names("out"), names);
  assertEquals(files.map(({ name }) => name).sort(), names);
  for (const [name, text] of Object.entries(TOKENIZER)) {
    assertEquals(Deno.readTextFileSync(temp.at("out", name)), text);
  }
  assertEquals(notes, [`these files of ${input} don't go along: LICENSE, README.md, modeling_x.py`]);
  assertEquals(snapshot(input), before);
});

Deno.test("tokenizer: false leaves the input's tokenizer, and another one takes its place", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, TOKENIZER);
  const left = await convertCheckpoint({ input, output: temp.at("a"), to: "huggingface", tokenizer: false });
  assertEquals(temp.names("a"), MODEL_FILES);
  assertEquals(left.notes, []);
  Deno.mkdirSync(temp.at("other"));
  writeAll(temp.at("other"), { "tokenizer.json": "{}", "tokenizer_config.json": '{"chat_template": "x"}' });
  const other = await convertCheckpoint({
    input,
    output: temp.at("b"),
    to: "huggingface",
    tokenizer: temp.at("other"),
  });
  assertEquals(Deno.readTextFileSync(temp.at("b", "tokenizer.json")), "{}");
  assertEquals(temp.names("b").includes("chat_template.jinja"), false);
  assertEquals(other.notes, [`the tokenizer in ${input} doesn't go along, since --tokenizer names another`]);
});

Deno.test("a tokenizer that ends turns where generation doesn't stop is told of, and so is one that can't be read", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, TOKENIZER);
  const notesOf = async (files: Readonly<Record<string, string>>, output: string) => {
    writeAll(input, files);
    return (await convertCheckpoint({ input, output: temp.at(output), to: "huggingface" })).notes;
  };
  const generation = join(input, "generation_config.json");
  assertEquals(await notesOf({ "generation_config.json": '{"eos_token_id": 2}' }, "a"), [
    `${generation} says that 2 ends a sequence, the tokenizer that 9 does; it is carried over as it is, so that ` +
    "generation may run on",
  ]);
  // Nothing is written but what was there.
  const config = { ...json(input, "config.json"), eos_token_id: [2, 8] };
  await notesOf({ "config.json": JSON.stringify(config) }, "b");
  assertEquals(json(temp.at("b"), "config.json").eos_token_id, [2, 8]);
  assertEquals(json(temp.at("b"), "generation_config.json").eos_token_id, 2);
  assertEquals(await notesOf({ "tokenizer_config.json": '{"eos_token": "a", "eos_token": "b"}' }, "c"), [
    `${
      join(input, "tokenizer_config.json")
    }: eos_token: is there twice; it goes along all the same, and its tokens weren't compared with config.json's`,
  ]);
});

Deno.test("a chat template goes along without a tokenizer, whose lack is told of", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, { "chat_template.jinja": "x" });
  const { notes } = await convertCheckpoint({ input, output: temp.at("out"), to: "huggingface" });
  assertEquals(temp.names("out").includes("chat_template.jinja"), true);
  assertEquals(notes, [
    "there is no tokenizer, so AutoTokenizer won't load: give --tokenizer the model's tokenizer.model, or a directory " +
    "with its tokenizer.json",
  ]);
});

Deno.test("a link out of the input is told of, and its target goes nowhere", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, TOKENIZER);
  Deno.writeTextFileSync(temp.at("secret"), "secret");
  Deno.symlinkSync(temp.at("secret"), join(input, "vocab.json"));
  const { notes } = await convertCheckpoint({ input, output: temp.at("out"), to: "huggingface" });
  assertEquals(notes, [
    `${
      join(input, "vocab.json")
    }: is a link that leads out of the directory, so it isn't followed and doesn't go along`,
  ]);
  assertEquals([...snapshot(temp.at("out")).keys()].some((name) => name.includes("vocab")), false);
});

Deno.test("a file that should go along and can't is an error that says how to go on", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, TOKENIZER);
  const run = (options: Partial<ConvertOptions> = {}) =>
    convertCheckpoint({ input, output: temp.at("out"), to: "huggingface", ...options });
  Deno.writeTextFileSync(join(input, "generation_config.json"), '{"eos_token_id": [2, 8, 9],}');
  await assertRejectsWith(
    run,
    ConfigError,
    `${
      join(input, "generation_config.json")
    }: is no JSON: has an unexpected "}" at 27; mend the file, or move it away`,
  );
  Deno.writeTextFileSync(join(input, "generation_config.json"), GENERATION);
  Deno.truncateSync(join(input, "tokenizer.json"), 2 ** 27 + 1);
  await assertRejects(run, FormatError, "--no-tokenizer leaves it");
  assertEquals(temp.names(), ["in"]);
  assertEquals((await run({ tokenizer: false })).complete, true);
});

Deno.test("a tokenizer that changes while the weights are copied is an error", async () => {
  using temp = new TempDir();
  const input = makeInput(temp, TOKENIZER);
  const { planConversion, runConversion } = await import("../../mod.ts");
  const options = { input, output: temp.at("out"), to: "huggingface" } as const;
  const conversion = await planConversion(options);
  Deno.writeTextFileSync(join(input, "tokenizer.json"), "{}");
  await assertRejectsWith(
    () => runConversion(conversion, options),
    FileError,
    `${
      join(input, "tokenizer.json")
    }: the file changed while it was read; wait until its writer is done, then run ` +
      "this again",
  );
  assertEquals(temp.names(), ["in"]);
});

Deno.test("a tokenizer in the place where the output is built is refused", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  Deno.mkdirSync(temp.at("out.partial"));
  writeAll(temp.at("out.partial"), TOKENIZER);
  const tokenizer = temp.at("out.partial");
  await assertRejectsWith(
    () => convertCheckpoint({ input, output: temp.at("out"), to: "huggingface", tokenizer }),
    OptionError,
    `${temp.at("out")}: would be built in ${
      temp.at("out")
    }.partial, where the input is; name another directory`,
  );
  assertEquals(temp.names("out.partial"), Object.keys(TOKENIZER).sort());
});

Deno.test("--instruct contradicts a Hugging Face directory that stops elsewhere", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  const what =
    `${
      join(input, "config.json")
    } and generation_config.json stop at 2, 8 and 9, not at 128009, which ends ` +
    "a turn of an instruct model";
  await assertRejectsWith(
    () => convertCheckpoint({ input, output: temp.at("out"), to: "huggingface", instruct: true }),
    OptionError,
    `--instruct: ${what}; put it into their eos_token_id first`,
  );
});

Deno.test("--instruct goes with layouts that say tokens, and nothing is asked by false", async () => {
  using temp = new TempDir();
  const input = makeInput(temp);
  await assertRejectsWith(
    () => convertCheckpoint({ input, output: temp.at("out"), instruct: true }),
    OptionError,
    "The reference layout has no --instruct; it goes with huggingface, fairseq2, gguf",
  );
  const { complete } = await convertCheckpoint({
    input,
    output: temp.at("out"),
    instruct: false,
    tokenizer: false,
  });
  assertEquals(complete, true);
});
