import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { lostTokens, resolveTokens } from "../../lib/convert/resolve_tokens.ts";
import type { Checkpoint } from "../../lib/layouts/checkpoint.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import type { SpecialTokens } from "../../lib/models/model_description.ts";
import { TempDir } from "../_temp.ts";
import { describedCheckpoint } from "./_described.ts";

const { bosId: _bos, eosIds: _eos, padId: _pad, ...llama3_1 } = findArchitecture("llama3_1_8b");

/** A Hugging Face directory whose config.json says some tokens, and perhaps has a generation_config.json. */
function huggingFace(temp: TempDir, tokens: SpecialTokens, generation?: string): Checkpoint {
  const path = temp.at("hf");
  Deno.mkdirSync(path, { recursive: true });
  if (generation !== undefined) Deno.writeTextFileSync(temp.at("hf", "generation_config.json"), generation);
  const checkpoint = describedCheckpoint(llama3_1);
  const describedBy = join(path, "config.json");
  return { ...checkpoint, path, naming: "huggingface", describedBy, model: { ...llama3_1, ...tokens } };
}

function resolve(checkpoint: Checkpoint, named?: string, options = {}) {
  return resolveTokens(checkpoint, resolveModel(checkpoint, named), options);
}

Deno.test("resolveTokens() keeps what a config.json says, and adds nothing to it", () => {
  using temp = new TempDir();
  for (const tokens of [{}, { eosIds: [5] }, { bosId: 7, eosIds: [128009], padId: 9 }]) {
    const found = resolve(huggingFace(temp, tokens));
    assertEquals([found.tokens, found.isKept, found.notes], [tokens, true, []]);
    assertEquals(found.saidBy, temp.at("hf", "config.json"));
  }
});

Deno.test("resolveTokens() leaves out what the vocabulary hasn't got, and says so", () => {
  using temp = new TempDir();
  const { tokens, notes } = resolve(huggingFace(temp, { bosId: 1, eosIds: [2, 128256], padId: 128256 }));
  assertEquals(tokens, { bosId: 1, eosIds: [2] });
  assertEquals(notes, [
    `${temp.at("hf", "config.json")} has the token 128256, which a vocabulary of 128256 hasn't got: left out`,
  ]);
});

Deno.test("resolveTokens() carries ends past the vocabulary over to Hugging Face, and leaves out what wouldn't load", () => {
  using temp = new TempDir();
  const generation = '{"eos_token_id": [128256, 2, -1], "pad_token_id": 128300}';
  const input = huggingFace(temp, { bosId: 1, eosIds: [2, 128256], padId: 128257 }, generation);
  const { tokens, notes } = resolve(input, undefined, { hasTokenizer: false });
  assertEquals(tokens, { bosId: 1, eosIds: [2, 128256] });
  const note = (file: string, which: string, outcome: string) =>
    `${temp.at("hf", file)} has the ${which}, which a vocabulary of 128256 hasn't got: ${outcome}`;
  assertEquals(notes, [
    note("config.json", "token 128256", "carried over all the same"),
    note("config.json", "token 128257", "left out"),
    note("generation_config.json", "tokens 128256 and 128300", "carried over all the same"),
  ]);
});

Deno.test("resolveTokens() takes the token to say alone from what ends a turn, else the first", () => {
  using temp = new TempDir();
  const main = (eosIds: number[], generation?: string) => {
    const { mainEnd, isInstruct } = resolve(huggingFace(temp, { eosIds }, generation));
    return [mainEnd, isInstruct];
  };
  assertEquals(main([2, 8, 9]), [2, false]);
  assertEquals(main([128001, 128008, 128009]), [128009, true]);
  // What generation stops at counts, as in LLaMA 3's directories whose config.json has one token.
  assertEquals(main([128001], '{"eos_token_id": [128001, 128009]}'), [128009, true]);
  assertEquals(main([128001], '{"eos_token_id": 128001}'), [128001, false]);
});

Deno.test("resolveTokens() tells an instruct model by a token alone that ends nothing in a base model", () => {
  using temp = new TempDir();
  const llama2 = describedCheckpoint(findArchitecture("llama2_7b"));
  const checkpoint = {
    ...huggingFace(temp, {}),
    ...llama2,
    model: findArchitecture("llama2_7b"),
    path: temp.at("hf"),
  };
  const { tokens, isInstruct } = resolve({
    ...checkpoint,
    naming: "huggingface",
    describedBy: "config.json",
  });
  assertEquals([tokens.eosIds, isInstruct], [[2], false]);
});

Deno.test("resolveTokens() takes a card's tokens where a config.json says none, and tells where they differ", () => {
  using temp = new TempDir();
  const { tokens } = resolve(huggingFace(temp, {}), "llama3_1_8b_instruct");
  assertEquals(tokens, { bosId: 128000, eosIds: [128001, 128008, 128009] });
  const other = resolve(huggingFace(temp, { bosId: 128000, eosIds: [128001] }), "llama3_1_8b_instruct");
  assertEquals(other.tokens, { bosId: 128000, eosIds: [128001] });
  assertEquals(other.notes, [
    `${
      temp.at("hf", "config.json")
    } and generation_config.json stop at 128001, not at 128009, which ends a turn of an ` +
    "instruct model such as llama3_1_8b_instruct; they are carried over as they are",
  ]);
  assertEquals(other.sampling, { temperature: 0.6, topP: 0.9 });
  // The architecture has a token that pads, and the directory has the word on that, too.
  for (const padId of [undefined, 7]) {
    const said = padId === undefined ? {} : { padId };
    assertEquals(resolve(huggingFace(temp, said), "llama3_1_8b").tokens.padId, padId);
  }
});

Deno.test("resolveTokens() takes what another family knows, and no more", () => {
  const qwen = findArchitecture("qwen25_7b");
  const { tokens, mainEnd, sampling } = resolve(describedCheckpoint(qwen), "qwen25_7b_instruct");
  assertEquals(tokens, { bosId: 151643, eosIds: [151645, 151643] });
  assertEquals([mainEnd, sampling], [151645, undefined]);
  assertEquals(resolve(describedCheckpoint(qwen), "qwen25_7b").tokens, { bosId: 151643, eosIds: [151643] });
  // A vocabulary that isn't Qwen's has none of its tokens.
  assertEquals(resolve(describedCheckpoint({ ...qwen, vocabSize: 50 }), "qwen25_7b_instruct").tokens, {});
});

Deno.test("lostTokens() says what isn't known any more, and nothing of what is known anyway", () => {
  using temp = new TempDir();
  const lost = (tokens: SpecialTokens, kept: SpecialTokens, generation?: string) => {
    const checkpoint = huggingFace(temp, tokens, generation);
    const resolved = resolveModel(checkpoint);
    return lostTokens(resolved, resolveTokens(checkpoint, resolved), kept);
  };
  const base = { bosId: 128000, eosIds: [128001] };
  const instruct = { bosId: 128000, eosIds: [128001, 128008, 128009] };
  assertEquals(lost(base, {}), undefined);
  assertEquals(lost(instruct, {}), "128008 and 128009 end a sequence");
  // One token tells that it is an instruct model, and so the others.
  assertEquals(lost(instruct, { bosId: 128000, eosIds: [128009] }), undefined);
  assertEquals(lost({ bosId: 3, eosIds: [2] }, {}), "3 begins a sequence, 2 ends a sequence");
  assertEquals(lost({ bosId: 3, eosIds: [2, 8] }, { bosId: 3, eosIds: [2] }), "8 ends a sequence");
  assertEquals(lost({ bosId: 3 }, { bosId: 3 }), undefined);
  assertEquals(lost(base, base, '{"eos_token_id": [128001, 7]}'), "7 ends a sequence");
});
