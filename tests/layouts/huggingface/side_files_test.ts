import { assertEquals } from "@std/assert";
import { dirname } from "../../../lib/deps.ts";
import { FormatError } from "../../../lib/error.ts";
import { listDirectory } from "../../../lib/layouts/directory.ts";
import {
  holdTokenizer,
  notesOfFilesLeft,
  tokenizerCopies,
} from "../../../lib/layouts/huggingface/side_files.ts";
import { assertError } from "../../convert/_assert_error.ts";
import { writeFiles } from "../../convert/_layouts.ts";
import { TempDir } from "../../_temp.ts";

/** Every name that goes along: those that transformers, mistral-common and vLLM read. */
const ALL = [
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "merges.txt",
  "preprocessor_config.json",
  "processor_config.json",
  "special_tokens_map.json",
  "tekken.json",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer.model.v3",
  "tokenizer_config.json",
  "vocab.json",
];

/** What must never go along: code, pickles, and what is of other weights. */
const NEVER = [
  "configuration_llama.py",
  "modeling_llama.py",
  "tokenization_custom.py",
  "pytorch_model.bin",
  "optimizer.pt",
  "training_args.bin",
  "model.Q4_K_M.gguf",
  "LICENSE",
  "README.md",
  "Tokenizer.json",
  "tokenizer.json.bak",
  "tokenizer.pkl",
];

function write(path: string, content: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, content);
}

function copies(temp: TempDir, ...below: string[]) {
  return tokenizerCopies(listDirectory(temp.at(...below)));
}

Deno.test("tokenizerCopies() copies every file of a tokenizer, byte for byte, and nothing else", () => {
  using temp = new TempDir();
  for (const name of [...ALL, ...NEVER]) write(temp.at("in", name), `${name}\n\0\u{1f600}`);
  const { files, sources, notes } = copies(temp, "in");
  assertEquals(files.map(({ name }) => name), ALL);
  assertEquals(sources.map(({ path }) => path), ALL.map((name) => temp.at("in", name)));
  assertEquals(notes, []);
  writeFiles(files, temp.at("out"));
  for (const name of ALL) {
    assertEquals(Deno.readFileSync(temp.at("out", name)), Deno.readFileSync(temp.at("in", name)), name);
  }
  // They are gathered by the engine, not held in the plan.
  for (const file of files) assertEquals(file.literals, []);
});

Deno.test("tokenizerCopies() copies an empty file, too", () => {
  using temp = new TempDir();
  write(temp.at("in", "added_tokens.json"), "");
  const { files } = copies(temp, "in");
  writeFiles(files, temp.at("out"));
  assertEquals(Deno.statSync(temp.at("out", "added_tokens.json")).size, 0);
});

Deno.test("tokenizerCopies() copies further chat templates, with their directory", () => {
  using temp = new TempDir();
  for (const name of ["tool_use.jinja", "rag.jinja", "run.py"]) {
    write(temp.at("in", "additional_chat_templates", name), name);
  }
  assertEquals(copies(temp, "in").files.map(({ name }) => name), [
    "additional_chat_templates/rag.jinja",
    "additional_chat_templates/tool_use.jinja",
  ]);
  for (let i = 0; i < 63; i++) write(temp.at("in", "additional_chat_templates", `${i}.jinja`), "");
  assertError(
    () => copies(temp, "in"),
    FormatError,
    `${
      temp.at("in", "additional_chat_templates")
    }: has 65 chat templates, more than the 64 that a tokenizer may ` +
      "have; --no-tokenizer leaves them",
  );
});

Deno.test("tokenizerCopies() refuses a file that is too large for a tokenizer's, and takes the largest", () => {
  using temp = new TempDir();
  const path = temp.at("in", "tokenizer.json");
  write(path, "");
  Deno.truncateSync(path, 2 ** 27);
  assertEquals(copies(temp, "in").files[0]!.size, 2 ** 27);
  Deno.truncateSync(path, 2 ** 27 + 1);
  assertError(
    () => copies(temp, "in"),
    FormatError,
    `${path}: has 134217729 bytes, more than the 134217728 that a tokenizer's file may have; --no-tokenizer leaves it`,
  );
});

Deno.test("tokenizerCopies() follows no link out of the directory", () => {
  using temp = new TempDir();
  write(temp.at("secret"), "secret");
  write(temp.at("in", "real", "vocab.json"), "{}");
  write(temp.at("in-beside", "merges.txt"), "secret");
  Deno.symlinkSync(temp.at("secret"), temp.at("in", "tokenizer.json"));
  Deno.symlinkSync("../secret", temp.at("in", "tokenizer.model"));
  Deno.symlinkSync("real/vocab.json", temp.at("in", "vocab.json"));
  // By two links, and into a directory whose name begins as this one's.
  Deno.symlinkSync("tokenizer.json", temp.at("in", "tokenizer_config.json"));
  Deno.symlinkSync("../in-beside/merges.txt", temp.at("in", "merges.txt"));
  Deno.mkdirSync(temp.at("elsewhere"));
  write(temp.at("elsewhere", "a.jinja"), "secret");
  Deno.symlinkSync(temp.at("elsewhere"), temp.at("in", "additional_chat_templates"));
  const { files, notes } = copies(temp, "in");
  assertEquals(files.map(({ name }) => name), ["vocab.json"]);
  const out = ["merges.txt", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"]
    .concat("additional_chat_templates/a.jinja");
  assertEquals(
    notes,
    out.map((name) =>
      `${
        temp.at("in", name)
      }: is a link that leads out of the directory, so it isn't followed and doesn't go along`
    ),
  );
});

Deno.test("tokenizerCopies() follows the links of Hugging Face's cache into its blobs, and no others", () => {
  using temp = new TempDir();
  const model = temp.at("models--meta-llama--Llama-3.2-1B");
  write(`${model}/blobs/5cc5f00a5b203e90a27a3bd60d1ec393b07971e8`, "{}");
  write(`${model}/refs/main`, "0123");
  write(temp.at("secret"), "secret");
  const snapshot = `${model}/snapshots/4e20de362430cd3b72f300e6b0f18e50e7166e08`;
  Deno.mkdirSync(snapshot, { recursive: true });
  Deno.symlinkSync("../../blobs/5cc5f00a5b203e90a27a3bd60d1ec393b07971e8", `${snapshot}/tokenizer.json`);
  Deno.symlinkSync("../../refs/main", `${snapshot}/tokenizer.model`);
  Deno.symlinkSync(temp.at("secret"), `${model}/blobs/evil`);
  Deno.symlinkSync("../../blobs/evil", `${snapshot}/vocab.json`);
  Deno.symlinkSync("gone", `${snapshot}/merges.txt`);
  const { files, notes } = tokenizerCopies(listDirectory(snapshot));
  assertEquals(files.map(({ name }) => name), ["tokenizer.json"]);
  assertEquals(notes.length, 2);
  // And through a link to the snapshot.
  Deno.symlinkSync(snapshot, temp.at("link"));
  assertEquals(copies(temp, "link").files.map(({ name }) => name), ["tokenizer.json"]);
});

Deno.test("holdTokenizer() wants a vocabulary", () => {
  assertEquals(holdTokenizer(["tokenizer_config.json", "chat_template.jinja", "merges.txt"]), false);
  for (const name of ["tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json"]) {
    assertEquals(holdTokenizer(["tokenizer_config.json", name]), true);
  }
});

Deno.test("notesOfFilesLeft() names what doesn't go along", () => {
  using temp = new TempDir();
  const weights = ["model-00001-of-00001.safetensors"];
  const expected = [
    ...ALL,
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    ".gitattributes",
  ];
  for (const name of [...weights, ...expected]) write(temp.at("in", name), "");
  const note = () =>
    notesOfFilesLeft(listDirectory(temp.at("in")), weights.map((name) => temp.at("in", name)));
  assertEquals(note(), []);
  for (const name of ["README.md", "LICENSE", "modeling.py"]) write(temp.at("in", name), "");
  assertEquals(note(), [`these files of ${temp.at("in")} don't go along: LICENSE, README.md, modeling.py`]);
  for (const name of ["a", "b", "c", "d"]) write(temp.at("in", name), "");
  assertEquals(note(), [
    `these files of ${temp.at("in")} don't go along: LICENSE, README.md, a, b, c and 2 more`,
  ]);
});
