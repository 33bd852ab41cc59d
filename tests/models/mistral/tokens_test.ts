/**
 * Mistral's special tokens where no file says them, and what its tokenizer is not.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { OptionError } from "../../../lib/error.ts";
import { findArchitecture, findModelCard } from "../../../lib/models/model_cards.ts";
import { mistralTokens } from "../../../lib/models/mistral/architectures.ts";
import { planConversion } from "../../../mod.ts";
import { assertRejectsWith } from "../../_assert_rejects.ts";
import { TempDir } from "../../_temp.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";

Deno.test("mistralTokens has those of every published vocabulary, of instruct models too, and none for smaller ones", () => {
  const model = findArchitecture("mistral_7b");
  const tokens = (vocabSize: number, isInstruct: boolean) =>
    mistralTokens.published({ model: { ...model, vocabSize } }, isInstruct);
  // v0.1, with two tokens more, v0.3, and Nemo's.
  for (const vocabSize of [32000, 32002, 32768, 131072]) {
    for (const isInstruct of [false, true]) {
      assertEquals(tokens(vocabSize, isInstruct), { bosId: 1, eosIds: [2] });
    }
  }
  assertEquals(tokens(50, false), {});
  assertEquals(["mistral_7b", "mistral_7b_instruct"].map(mistralTokens.isInstruct), [false, true]);
  assertEquals(findModelCard("mistral_7b_instruct").eosId, 2);
});

Deno.test("planConversion() makes no tokenizer of LLaMA's for a Mistral", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(temp.at("tokenizer.model"), "");
  const input = join(CHECKPOINTS, "fairseq2-0.8.1", "mistral_bf16");
  const tokenizer = temp.at("tokenizer.model");
  await assertRejectsWith(
    () => planConversion({ input, output: temp.at("out"), to: "huggingface", tokenizer }),
    OptionError,
    `${tokenizer}: Mistral has no tokenizer.model of LLaMA's; name a directory with the tokenizer.json that is published ` +
      "with it",
  );
});
