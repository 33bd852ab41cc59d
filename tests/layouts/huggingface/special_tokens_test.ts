import { assertEquals } from "@std/assert";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { specialTokens } from "../../../lib/layouts/huggingface/special_tokens.ts";

const { bosId: _bos, eosId: _eos, padId: _pad, ...llama3 } = findArchitecture("llama3_2_1b");

/** A model that says no tokens, with a vocabulary. */
function silent(vocabSize: number): ModelDescription {
  return { ...llama3, vocabSize };
}

Deno.test("specialTokens() gives those that the model says", () => {
  const model = { ...silent(100), bosId: 48, eosId: 49, padId: 0 };
  assertEquals(specialTokens(model, findArchitecture("7b")), { bosId: 48, eosId: 49, padId: 0 });
});

Deno.test("specialTokens() gives those of the architecture where the model says none, but for padding", () => {
  const model = silent(128256);
  assertEquals(specialTokens(model, findArchitecture("llama3_8b")), { bosId: 128000, eosId: 128001 });
  assertEquals(specialTokens(model, findArchitecture("7b")), { bosId: 1, eosId: 2 });
});

Deno.test("specialTokens() tells LLaMA 1's vocabulary from LLaMA 3's by its size, as fairseq2's exporter does", () => {
  assertEquals(specialTokens(silent(32000)), { bosId: 1, eosId: 2 });
  assertEquals(specialTokens(silent(128256)), { bosId: 128000, eosId: 128001 });
  assertEquals(specialTokens(silent(128300)), { bosId: 128000, eosId: 128001 });
});

Deno.test("specialTokens() leaves out tokens that the vocabulary hasn't got", () => {
  assertEquals(specialTokens(silent(50)), {});
  assertEquals(specialTokens(silent(128001)), { bosId: 128000 });
  assertEquals(specialTokens({ ...silent(50), bosId: 50, eosId: 49, padId: 51 }), { eosId: 49 });
});
