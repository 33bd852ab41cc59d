/**
 * transformers itself loads the files. The tests run with the Python that `CKPT_PYTHON` names, where it has
 * transformers (4.46.3 and 5.23.0 were tried).
 */

import { assertEquals } from "@std/assert";
import type { LlamaVersion } from "../../lib/models/token_family.ts";
import { convertTokenizer } from "../../lib/tokenizers/convert_tokenizer.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { contentOf, fixture, type Ids, jsonFixture } from "./_fixtures.ts";

function hasTransformers(): boolean {
  const path = python();
  if (path === undefined) return false;
  return new Deno.Command(path, { args: ["-c", "import transformers, jinja2"], stderr: "null" }).outputSync()
    .success;
}

const ignore = !hasTransformers();

const unlessThere = ignore ? " (skipped: CKPT_PYTHON isn't set, or has no transformers)" : "";

/** Prints what a tokenizer does to the texts and the conversation in a file. */
const PROGRAM = `
import json, sys
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
given = json.load(open(sys.argv[2]))
chat = None
if given["chat"] is not None:
    chat = tokenizer.apply_chat_template(
        given["chat"], tokenize=False, add_generation_prompt=True, date_string="01 Feb 2025"
    )
ids = [tokenizer.encode(text, add_special_tokens=False) for text in given["texts"]]
print(json.dumps({
    "ids": ids,
    "texts": [tokenizer.decode(one, clean_up_tokenization_spaces=False) for one in ids],
    "chat": chat,
    "pair": tokenizer.encode("a", "b"),
    "inputs": list(tokenizer("a").keys()),
    "length": len(tokenizer),
    "bos": tokenizer.bos_token_id,
    "eos": tokenizer.eos_token_id,
    "special": sorted(tokenizer.convert_tokens_to_ids(token) for token in tokenizer.added_tokens_encoder),
}))
`;

const CHAT = [
  { role: "system", content: " Be brief. " },
  { role: "user", content: "How are you?" },
  { role: "assistant", content: "Well.\n" },
  { role: "user", content: "And now?" },
];

interface Answer {
  readonly ids: number[][];
  readonly texts: string[];
  readonly chat: string | null;
  readonly pair: number[];
  readonly inputs: string[];
  readonly length: number;
  readonly bos: number;
  readonly eos: number;
  readonly special: number[];
}

async function ask(
  model: string,
  version: LlamaVersion,
  instruct: boolean,
  texts: readonly string[],
  chat: typeof CHAT | null,
): Promise<Answer> {
  using directory = new TempDir();
  const { files } = convertTokenizer(fixture(model), { path: model, version, instruct });
  Deno.mkdirSync(directory.at("model"));
  for (const file of files) Deno.writeFileSync(directory.at("model", file.name), contentOf(file));
  // As beside the weights: the class must not depend on the model's.
  Deno.writeTextFileSync(directory.at("model", "config.json"), '{"model_type": "llama"}');
  Deno.writeTextFileSync(directory.at("given.json"), JSON.stringify({ texts, chat }));
  return JSON.parse(await runPython(PROGRAM, [directory.at("model"), directory.at("given.json")]));
}

Deno.test({
  name: `AutoTokenizer loads a LLaMA 3 tokenizer, and gives tiktoken's ids${unlessThere}`,
  ignore,
  fn: async () => {
    const { texts, tiktoken } = await jsonFixture<Ids>("ids.json.gz");
    const answer = await ask("tiktoken/tokenizer.model", "3.1", false, texts, null);
    assertEquals(answer.ids, tiktoken.map((ids) => [...ids]));
    assertEquals(answer.texts, [...texts]);
    // The ranks of "a" and "b" are their places among the printable bytes.
    assertEquals(answer.pair, [656, 64, 656, 65]);
    assertEquals(answer.inputs, ["input_ids", "attention_mask"]);
    assertEquals([answer.length, answer.bos, answer.eos], [912, 656, 657]);
    assertEquals(answer.special, Array.from({ length: 256 }, (_, i) => 656 + i));
  },
});

for (const version of ["3", "3.1", "3.2", "3.3"] as const) {
  Deno.test({
    name: `AutoTokenizer prints a conversation as for LLaMA ${version}${unlessThere}`,
    ignore,
    fn: async () => {
      const chats = await jsonFixture<Record<string, string>>("chats.json");
      const answer = await ask("tiktoken/tokenizer.model", version, true, [], CHAT);
      assertEquals(answer.chat, chats[version === "3.3" ? "3.1" : version]);
      assertEquals([answer.bos, answer.eos], [656, 665]);
    },
  });
}

Deno.test({
  name: `AutoTokenizer loads a LLaMA 2 tokenizer, and gives SentencePiece's ids${unlessThere}`,
  ignore,
  fn: async () => {
    const { texts, sentencepiece } = await jsonFixture<Ids>("ids.json.gz");
    const plain = texts.filter((_, index) => sentencepiece[index] !== null);
    const answer = await ask("sentencepiece/tokenizer.model", "2", false, plain, null);
    assertEquals(answer.ids, sentencepiece.filter((ids) => ids !== null).map((ids) => [...ids]));
    assertEquals(answer.inputs, ["input_ids", "attention_mask"]);
    assertEquals([answer.length, answer.bos, answer.eos], [700, 1, 2]);
    assertEquals(answer.special, [0, 1, 2]);
    assertEquals(answer.pair.filter((id) => id === 1).length, 2);
  },
});
