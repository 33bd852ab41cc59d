/** GGUF files, computed by the real llama.cpp, against what fairseq2 computed from the checkpoints. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { convertCheckpoint } from "../../mod.ts";
import { TempDir } from "../_temp.ts";
import { truthCases } from "./_cases.ts";
import { askLlamaCpp, askPython, ignore, unlessSet } from "./_peers.ts";
import { makeStandIn, STAND_IN_PRE } from "./_stand_in.ts";

/** A text, and by position the logarithms of the probabilities of all tokens to follow. */
interface Expected {
  readonly tokens: readonly number[];
  readonly likely: readonly (readonly number[])[];
}

interface Job {
  readonly path: string;
  readonly tokens: readonly number[];
}

/** The largest difference of the logarithms of probabilities, where llama.cpp computes the same in single precision. */
const TOLERANCE = 1e-5;

/**
 * Where llama.cpp computes something else, and says so in a note: the first position at which it does. Past Mistral's
 * window, which it hasn't got; and with OLMo 3's YaRN, which it has in layers of full attention alone.
 */
const APART: ReadonlyMap<string, readonly [position: number, note: RegExp]> = new Map([
  ["mistral_bf16", [16, /no sliding window: past 16 tokens/]],
  ["mistral_fp32_tp2_fsdp2", [8, /no sliding window: past 8 tokens/]],
  ["olmo3_bf16", [1, /YaRN in layers without a window alone/]],
  ["olmo3_fp32_yarn_fsdp2", [1, /YaRN in layers without a window alone/]],
  ["olmo3_bf16_yarn_mscale", [1, /YaRN in layers without a window alone/]],
  ["olmo3_fp32_yarn_no_truncate", [1, /YaRN in layers without a window alone/]],
]);

/** A model that llama.cpp doesn't load, which is said. */
const REFUSED: ReadonlyMap<string, RegExp> = new Map([
  ["qwen25_fp16_head_dim_tp2", /llama.cpp can't load/],
]);

/** How far apart two computations are at each position. */
function errorsOf(found: readonly (readonly number[])[], { likely }: Expected): number[] {
  assertEquals(found.map(({ length }) => length), likely.map(({ length }) => length));
  return likely.map((row, position) =>
    Math.max(...row.map((wanted, token) => Math.abs(Math.log(found[position]![token]!) - wanted)))
  );
}

Deno.test({
  name: `convertCheckpoint() writes files from which llama.cpp computes what fairseq2 computed${unlessSet}`,
  ignore,
  async fn(t) {
    using temp = new TempDir();
    const kept = truthCases.filter(({ logits }) => logits !== undefined);
    const expected = await askPython<Expected>("_logits.py", kept.map(({ logits }) => logits));
    const notes: string[] = [];
    const jobs: Job[] = [];
    for (const [i, { step: input }] of kept.entries()) {
      const [output, tokenizer] = [temp.at(`${i}`), temp.at(`${i}-tokenizer`)];
      makeStandIn(tokenizer, expected[i]!.likely[0]!.length);
      const made = await convertCheckpoint({
        input,
        output,
        to: "gguf",
        dtype: "float32",
        tokenizer,
        tokenizerPre: STAND_IN_PRE,
      });
      notes.push(made.notes.join("\n"));
      jobs.push({ path: `${output}/model.gguf`, tokens: expected[i]!.tokens });
    }
    const found = await askLlamaCpp<number[][] | string>(jobs);
    assertEquals(found.length, 25);
    for (const [i, { name }] of kept.entries()) {
      await t.step(name, () => {
        const answer = found[i]!;
        const refusal = REFUSED.get(name);
        if (refusal !== undefined || typeof answer === "string") {
          assertEquals(answer, "Failed to load model");
          assertMatch(notes[i]!, refusal ?? / /);
          return;
        }
        const errors = errorsOf(answer, expected[i]!);
        const [position, note] = APART.get(name) ?? [-1, undefined];
        assertEquals(errors.findIndex((error) => error > TOLERANCE), position, `${Math.max(...errors)}`);
        if (note !== undefined) assertMatch(notes[i]!, note);
        else assert(!notes[i]!.includes("llama.cpp"), notes[i]);
      });
    }
  },
});
