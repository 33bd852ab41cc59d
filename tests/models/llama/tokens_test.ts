import { assertEquals } from "@std/assert";
import { findArchitecture, findModelCard } from "../../../lib/models/model_cards.ts";
import { llamaArchitectures } from "../../../lib/models/llama/architectures.ts";
import { llamaTokens, llamaVersion } from "../../../lib/models/llama/tokens.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { tokensWithin } from "../../../lib/models/special_tokens.ts";
import type { NamedModel } from "../../../lib/models/token_family.ts";
import { llama3SpecialTokens } from "../../../lib/tokenizers/special_tokens.ts";

/** All names of LLaMA's. */
const names = llamaArchitectures.flatMap(({ name, cards }) => [name, ...cards]);

const llama3_2 = findArchitecture("llama3_2_1b");

/** A model that nobody named, with a vocabulary. */
function unnamed(vocabSize: number, fields: Partial<ModelDescription> = {}): NamedModel {
  const { ropeScaling: _, ...model } = llama3_2;
  return { model: { ...model, vocabSize, ...fields } };
}

/** The model that a card is of. */
function named(card: string): NamedModel {
  const { architecture } = findModelCard(card, "llama");
  return { model: architecture, architecture: architecture.name, card };
}

/** What `generation_config.json` of the published models says, by the beginning of their names. */
const PUBLISHED_ENDS: readonly (readonly [RegExp, readonly number[]])[] = [
  [/^llama3_(8|70)b_instruct$/, [128001, 128009]],
  [/^llama3_[123]_.*_instruct$/, [128001, 128008, 128009]],
  [/^(r1_distilled_)?llama3_/, [128001]],
  [/^/, [2]],
];

Deno.test("llamaTokens has the tokens of every published model", () => {
  for (const name of names) {
    const model = named(name);
    const { bosId, eosIds } = llamaTokens.published(model, llamaTokens.isInstruct(name));
    const expected = PUBLISHED_ENDS.find(([names]) => names.test(name))![1];
    assertEquals([bosId, eosIds], [expected[0] === 2 ? 1 : 128000, expected], name);
    // What fairseq2 ends with is among them.
    assertEquals(eosIds!.includes(findModelCard(name, "llama").eosId!), true, name);
  }
});

Deno.test("llamaTokens has the ids that the tokenizer gives to the names", () => {
  for (const version of ["3", "3.1", "3.2", "3.3"] as const) {
    const card = version === "3" ? "llama3_8b" : version === "3.2" ? "llama3_2_1b" : "llama3_1_8b";
    const texts = llama3SpecialTokens(version);
    const { bosId, eosIds } = llamaTokens.published(named(card), true);
    assertEquals(texts[bosId! - 128000], "<|begin_of_text|>");
    const ends = ["<|end_of_text|>", ...version === "3" ? [] : ["<|eom_id|>"], "<|eot_id|>"];
    assertEquals(eosIds!.map((id) => texts[id - 128000]), ends);
    assertEquals(texts[llamaTokens.turnEnd(named(card))! - 128000], "<|eot_id|>");
  }
});

Deno.test("llamaTokens ends DeepSeek's distilled model as its own vocabulary does, instruct or not", () => {
  const distilled = named("r1_distilled_llama3_1_8b_instruct");
  for (const isInstruct of [false, true]) {
    assertEquals(llamaTokens.published(distilled, isInstruct), { bosId: 128000, eosIds: [128001] });
  }
  assertEquals(llamaTokens.turnEnd(distilled), 128001);
  assertEquals(llamaTokens.turnEnd(named("llama2_7b_chat")), 2);
  assertEquals(llamaTokens.turnEnd(named("7b")), undefined);
});

Deno.test("llamaTokens knows how instruct models sample, and nothing of base models", () => {
  for (const name of names) {
    const sampling = llamaTokens.sampling!(name);
    const isTuned = /^llama3.*_instruct$/.test(name);
    assertEquals(sampling === undefined, !isTuned, name);
    assertEquals(sampling?.maxLength, /^llama3_(8|70)b_instruct$/.test(name) ? 4096 : undefined, name);
  }
  for (const { name } of llamaArchitectures) assertEquals(llamaTokens.isInstruct(name), false, name);
});

Deno.test("llamaTokens tells LLaMA 1's vocabulary from LLaMA 3's by its size, as fairseq2's exporter does", () => {
  const published = (vocabSize: number) =>
    tokensWithin(llamaTokens.published(unnamed(vocabSize), false), vocabSize);
  assertEquals(published(32000), { bosId: 1, eosIds: [2] });
  assertEquals(published(128256), { bosId: 128000, eosIds: [128001] });
  assertEquals(published(128300), { bosId: 128000, eosIds: [128001] });
  assertEquals(published(50), {});
});

Deno.test("llamaVersion() goes by the name, else by the scaling, the base and the vocabulary", () => {
  const version = (card: string) => llamaVersion(named(card));
  assertEquals(["7b", "llama_65b", "llama2_7b_chat", "llama3_8b_instruct"].map(version), [
    "1",
    "1",
    "2",
    "3",
  ]);
  assertEquals(["llama3_1_8b", "r1_distilled_llama3_1_8b_instruct"].map(version), ["3.1", "3.1"]);
  assertEquals(["llama3_2_3b_instruct", "llama3_3_70b_instruct"].map(version), ["3.2", "3.3"]);
  const { ropeScaling } = llama3_2;
  assertEquals(llamaVersion(unnamed(50, { ropeScaling: ropeScaling! })), "3.2");
  assertEquals(llamaVersion(unnamed(50, { ropeScaling: { ...ropeScaling!, factor: 8 } })), "3.1");
  assertEquals(llamaVersion(unnamed(50)), "3");
  assertEquals(llamaVersion(unnamed(32016, { ropeTheta: 1000000 })), "2");
  assertEquals(llamaVersion(unnamed(128256, { ropeTheta: 10000 })), "3");
});

Deno.test("tokensWithin() leaves out tokens that the vocabulary hasn't got", () => {
  assertEquals(tokensWithin({ bosId: 50, eosIds: [49, 50], padId: 51 }, 50), { eosIds: [49] });
  assertEquals(tokensWithin({ bosId: 49, eosIds: [50], padId: 49 }, 50), { bosId: 49, padId: 49 });
});
