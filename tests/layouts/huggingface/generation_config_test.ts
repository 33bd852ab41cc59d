import { assertEquals } from "@std/assert";
import { FormatError } from "../../../lib/error.ts";
import { listDirectory } from "../../../lib/layouts/directory.ts";
import { readGenerationConfig } from "../../../lib/layouts/huggingface/generation_config.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { assertError } from "../../convert/_assert_error.ts";
import { TempDir } from "../../_temp.ts";

/** Reads a text as the generation_config.json of a directory. */
function read(temp: TempDir, text: string) {
  Deno.writeTextFileSync(temp.at("generation_config.json"), text);
  return readGenerationConfig(listDirectory(temp.at()));
}

Deno.test("readGenerationConfig() keeps the text, with fields that nobody knows", () => {
  using temp = new TempDir();
  const text =
    '{"eos_token_id": [2, 8, 9],"bos_token_id":1, "future_sampler": {"deep": [null, 1e400]}, "top_p": 0.80}\n\n';
  assertEquals(read(temp, text), {
    path: temp.at("generation_config.json"),
    text,
    tokens: { bosId: 1, eosIds: [2, 8, 9] },
  });
  // What the file leaves out isn't what a config.json would mean by it.
  assertEquals(read(temp, "{}")!.tokens, {});
});

Deno.test("readGenerationConfig() finds none where there is none", () => {
  using temp = new TempDir();
  assertEquals(readGenerationConfig(listDirectory(temp.at())), undefined);
});

Deno.test("readGenerationConfig() refuses what isn't strict JSON, or too large", () => {
  const long = `{"x": "${"y".repeat(65536)}"}`;
  const refused: readonly (readonly [text: string, problem: string])[] = [
    ["", "is no JSON: ends too early"],
    ["[]", "expected a mapping, got a sequence"],
    ['{"top_p": NaN}', 'is no JSON: has an unexpected "N" at 10'],
    ['{"top_p": 1, "top_p": 2}', "top_p: is there twice"],
    ['{"eos_token_id": "</s>"}', 'eos_token_id: expected a token\'s number or null, got "</s>"'],
    ['{"eos_token_id": []}', "eos_token_id: expected a token's number or null, got a sequence"],
    ['{"eos_token_id": [2, 1.5]}', "eos_token_id: expected a token's number or null, got 1.5"],
    ['{"bos_token_id": [1]}', "bos_token_id: expected a token's number or null, got a sequence"],
    [`{"eos_token_id": [${"2,".repeat(256)}2]}`, "eos_token_id: expected at most 256 tokens, got 257"],
    [long, `expected at most 65536 characters, got ${long.length}`],
  ];
  for (const [text, problem] of refused) {
    using temp = new TempDir();
    assertError(
      () => read(temp, text),
      ConfigError,
      `${temp.at("generation_config.json")}: ${problem}; mend the file, or move it away`,
    );
  }
  using temp = new TempDir();
  const path = temp.at("generation_config.json");
  assertError(
    () => read(temp, " ".repeat(2 ** 20 + 1)),
    FormatError,
    `${path}: has 1048577 bytes, more than the 1048576 that such a file may have`,
  );
});
