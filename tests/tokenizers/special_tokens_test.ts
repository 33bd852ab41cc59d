import { assertEquals } from "@std/assert";
import { llama3SpecialTokens } from "../../lib/tokenizers/special_tokens.ts";

Deno.test("llama3SpecialTokens() has 256 tokens, all different, for every version", () => {
  for (const version of ["3", "3.1", "3.2", "3.3"] as const) {
    const tokens = llama3SpecialTokens(version);
    assertEquals(tokens.length, 256);
    assertEquals(new Set(tokens).size, 256);
  }
});

Deno.test("llama3SpecialTokens() names those of LLaMA 3", () => {
  const tokens = llama3SpecialTokens("3");
  assertEquals(tokens.slice(0, 12), [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|reserved_special_token_2|>",
    "<|reserved_special_token_3|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    "<|eot_id|>",
    "<|reserved_special_token_5|>",
    "<|reserved_special_token_6|>",
  ]);
  assertEquals(tokens.at(-1), "<|reserved_special_token_250|>");
});

Deno.test("llama3SpecialTokens() names those of 3.1, which 3.2 and 3.3 have, too", () => {
  const tokens = llama3SpecialTokens("3.1");
  assertEquals(tokens.slice(0, 12), [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    "<|reserved_special_token_3|>",
  ]);
  assertEquals(tokens.at(-1), "<|reserved_special_token_247|>");
  assertEquals(llama3SpecialTokens("3.2"), tokens);
  assertEquals(llama3SpecialTokens("3.3"), tokens);
});
