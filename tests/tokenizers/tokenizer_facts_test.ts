import { assertEquals } from "@std/assert";
import { parseStrictJson } from "../../lib/safetensors/json.ts";
import { tokenizerFacts } from "../../lib/tokenizers/tokenizer_facts.ts";
import { convertTokenizer } from "../../lib/tokenizers/convert_tokenizer.ts";
import { fixture, textsOf } from "./_fixtures.ts";

function facts(config: Readonly<Record<string, unknown>>, head = "") {
  return tokenizerFacts(parseStrictJson(JSON.stringify(config)) as ReadonlyMap<string, unknown>, head);
}

/** The beginning of a tokenizer.json with some added tokens. */
function head(tokens: Readonly<Record<string, string>>, space: string | number = 2): string {
  const added_tokens = Object.entries(tokens).map(([id, content]) => ({
    id: Number(id),
    content,
    special: true,
  }));
  return JSON.stringify({ version: "1.0", added_tokens, model: { vocab: { id: 1 } } }, null, space);
}

Deno.test("tokenizerFacts() reads what transformers writes until 4.57: ids in tokenizer_config.json", () => {
  for (const instruct of [false, true]) {
    const { files } = convertTokenizer(fixture("tiktoken/tokenizer.model"), {
      path: "",
      version: "3.1",
      instruct,
    });
    const config = JSON.parse(textsOf(files).get("tokenizer_config.json")!);
    assertEquals(facts(config), { bosId: 656, eosId: instruct ? 665 : 657, hasChatTemplate: instruct });
  }
});

Deno.test("tokenizerFacts() reads what transformers 5 writes: ids in tokenizer.json alone", () => {
  const config = {
    backend: "tokenizers",
    bos_token: "<s>",
    eos_token: "</s>",
    tokenizer_class: "TokenizersBackend",
  };
  const tokens = { 0: "<unk>", 1: "<s>", 2: "</s>", 3: 'a " \\ \u00e9' };
  for (const space of [0, 2]) {
    assertEquals(facts(config, head(tokens, space)), { bosId: 1, eosId: 2, hasChatTemplate: false });
  }
  assertEquals(facts({ eos_token: 'a " \\ \u00e9' }, head(tokens)), { eosId: 3, hasChatTemplate: false });
});

Deno.test("tokenizerFacts() takes tokens as texts, or as objects, or not at all", () => {
  const decoder = { 5: { content: "<s>" }, 6: { content: "</s>" } };
  const token = { __type: "AddedToken", content: "</s>", lstrip: false };
  assertEquals(facts({ added_tokens_decoder: decoder, bos_token: null, eos_token: token }), {
    eosId: 6,
    hasChatTemplate: false,
  });
  assertEquals(facts({ bos_token: "<s>", eos_token: 7, added_tokens_decoder: [1] }), {
    hasChatTemplate: false,
  });
  assertEquals(facts({ chat_template: [{ name: "default", template: "x" }] }).hasChatTemplate, true);
  assertEquals(facts({ chat_template: null }).hasChatTemplate, false);
});

Deno.test("tokenizerFacts() finds no token in a head that was cut off, or lies", () => {
  const cut = head({ 1: "<s>", 2: "</s>" }).split('"</s>"')[0]!;
  assertEquals(facts({ bos_token: "<s>", eos_token: "</s>" }, cut), { bosId: 1, hasChatTemplate: false });
  const bad = '{"id": 99999999999, "content": "<s>"} {"id": 1, "content": "\\q"}';
  assertEquals(facts({ bos_token: "<s>", eos_token: "\\q" }, bad), { hasChatTemplate: false });
});
