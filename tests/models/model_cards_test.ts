import { assertEquals } from "@std/assert";
import { OptionError } from "../../lib/error.ts";
import { families } from "../../lib/models/families.ts";
import { findArchitecture, findModelCard, modelNames } from "../../lib/models/model_cards.ts";
import { assertError } from "../convert/_assert_error.ts";
import { ARCHITECTURES } from "./_listed.ts";

function read(name: string) {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../fixtures/llama/${name}`, import.meta.url)));
}

Deno.test("findModelCard() knows all cards of fairseq2, with their last token", () => {
  const old: Record<string, { config: { vocab_info: { eos_idx: number } } }> =
    read("fairseq2_0.3.0.json").cards;
  assertEquals(Object.keys(old).length, 20);
  for (const [name, { config }] of Object.entries(old)) {
    assertEquals(findModelCard(name).eosId, config.vocab_info.eos_idx, name);
  }
  const recent: Record<string, { ffn_width: number; config: Record<string, number> }> =
    read("fairseq2_0.8.1.json").cards;
  assertEquals(Object.keys(recent).length, 21);
  for (const [name, { config, ffn_width }] of Object.entries(recent)) {
    const { intermediateSize, vocabSize, maxSeqLen, dim } = findArchitecture(name);
    assertEquals([intermediateSize, vocabSize, maxSeqLen, dim], [
      ffn_width,
      config.vocab_size,
      config.max_seq_len,
      config.model_dim,
    ]);
  }
});

Deno.test("findArchitecture() finds every name, and gives the architecture that has it", () => {
  for (const family of families) {
    for (const { name, alias = name, cards } of family.architectures) {
      for (const each of [name, alias, ...cards]) {
        assertEquals(findArchitecture(each, family.name).name, name, each);
        if (each !== "7b") assertEquals(findArchitecture(each).name, name, each);
      }
    }
  }
  assertEquals(findArchitecture("llama_7b").name, "7b");
  assertEquals(findArchitecture("llama3_3_70b_instruct").name, "llama3_1_70b");
  assertEquals(findModelCard("r1_distilled_llama3_1_8b_instruct").eosId, 128001);
  const names = families.flatMap(({ architectures }) =>
    architectures.flatMap(({ name, cards }) => [name, ...cards])
  );
  assertEquals(modelNames(), [...new Set(names)]);
});

Deno.test("findModelCard() takes the family's architecture of a name that two have, and else asks which", () => {
  assertEquals(findModelCard("7b", "llama").architecture.name, "7b");
  const { name, architecture } = findModelCard("7b", "mistral");
  assertEquals([name, architecture.name, architecture.kvHeads], ["7b", "mistral_7b", 8]);
  assertError(
    () => findModelCard("7b"),
    OptionError,
    'The model "7b" may be a LLaMA or a Mistral: say llama_7b or mistral_7b',
  );
  // What another family alone has is found all the same: whoever asks compares the family.
  assertEquals(findModelCard("llama3_8b", "mistral").architecture.family, "llama");
  assertEquals(findModelCard("7b", "qwen").architecture.family, "llama");
});

Deno.test("findModelCard() takes the names that models have elsewhere", () => {
  const names: [string, string][] = [
    ["Llama-3.2-1B", "llama3_2_1b"],
    ["meta-llama/Llama-3.2-1B-Instruct", "llama3_2_1b_instruct"],
    ["meta-llama/Meta-Llama-3-8B-Instruct", "llama3_8b_instruct"],
    ["Llama-2-13b-chat-hf", "llama2_13b_chat"],
    ["Qwen/Qwen2.5-7B-Instruct", "qwen25_7b_instruct"],
    ["Qwen/Qwen3-0.6B", "qwen3_0.6b"],
    ["allenai/Olmo-3-7B", "olmo3_7b"],
  ];
  for (const [name, card] of names) assertEquals(findModelCard(name).name, card);
  assertError(
    () => findModelCard("7B"),
    OptionError,
    'The model "7B" may be a LLaMA or a Mistral: say llama_7b or mistral_7b',
  );
});

Deno.test("findArchitecture() names the nearest names of an unknown one", () => {
  const nearest: [string, string][] = [
    ["llama3_2_1", "did you mean llama3_2_1b or llama3_2_3b? "],
    ["llama3_2", "did you mean llama3_2_1b, llama3_2_3b or llama3_2_1b_instruct? "],
    ["meta-llama/Llama-3.2-1B-Instruct-v2", "did you mean llama3_2_1b_instruct or llama3_2_3b_instruct? "],
    ["gpt2", ""],
    ["", ""],
    ["__proto__", ""],
    ["constructor", ""],
  ];
  for (const [name, question] of nearest) {
    assertError(
      () => findArchitecture(name),
      OptionError,
      `Unknown model ${JSON.stringify(name)}: ${question}${ARCHITECTURES}`,
    );
  }
});
