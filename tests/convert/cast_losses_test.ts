/**
 * What a conversion says of numbers that a cast makes infinite, and of those that are none.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { pathOf, readState, writeNative } from "../_native.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const ROOT = join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16/checkpoints");

const BIG = 0x7f00; // 1.7e38 in bfloat16: the largest of float16 is 65504.
const NOT_A_NUMBER = 0x7fc1;
const INFINITY = 0xff80;

/** Puts numbers into tensors of a real checkpoint, converts it, and returns what is said of them. */
async function notesOf(numbers: Record<string, readonly number[]>, dtype?: "float16" | "float32") {
  using temp = new TempDir();
  const state = await readState(pathOf(join(ROOT, "step_10"), 0, 0, 0));
  for (const [name, bits] of Object.entries(numbers)) {
    const { bytes } = state.get(name)!;
    new Uint16Array(bytes.buffer, bytes.byteOffset, bits.length).set(bits);
  }
  writeNative(temp.at("in", "step_1"), [[[state]]]);
  Deno.copyFileSync(join(ROOT, "model.yaml"), temp.at("in", "model.yaml"));
  const options = { input: temp.at("in", "step_1"), output: temp.at("out"), to: "huggingface" } as const;
  const { notes } = await convertCheckpoint({ ...options, ...(dtype === undefined ? {} : { dtype }) });
  return notes.filter((note) => note.includes("number"));
}

const norm = (layer: number) => `decoder.layers.${layer}.ffn_layer_norm.weight`;

Deno.test("convertCheckpoint() says in which tensors a cast made infinities", async () => {
  assertEquals(await notesOf({ [norm(0)]: [BIG, INFINITY, 0] }, "float16"), [
    "1 number in the files made now is too large for float16 and became infinite: " +
    "1 in model.layers.0.post_attention_layernorm.weight",
  ]);
  const many = {
    "decoder.layer_norm.weight": [BIG],
    "decoder_frontend.embed.weight": [BIG, BIG, BIG],
    [norm(0)]: [BIG],
    [norm(1)]: [BIG, BIG],
    "final_proj.weight": [BIG],
  };
  assertEquals(await notesOf(many, "float16"), [
    "8 numbers in the files made now are too large for float16 and became infinite: " +
    "3 in model.embed_tokens.weight, 2 in model.layers.1.post_attention_layernorm.weight, " +
    "1 in lm_head.weight and the rest in 2 more",
  ]);
});

Deno.test("convertCheckpoint() says in which tensors a cast met NaN", async () => {
  const numbers = { [norm(0)]: [NOT_A_NUMBER], [norm(1)]: [NOT_A_NUMBER | 0x8000, NOT_A_NUMBER, BIG] };
  const met = "3 numbers in the files made now are NaN, as in the input: " +
    "2 in model.layers.1.post_attention_layernorm.weight, 1 in model.layers.0.post_attention_layernorm.weight";
  assertEquals(await notesOf(numbers, "float32"), [met]);
  assertEquals(await notesOf(numbers, "float16"), [
    "1 number in the files made now is too large for float16 and became infinite: " +
    "1 in model.layers.1.post_attention_layernorm.weight",
    met,
  ]);
});

Deno.test("convertCheckpoint() says nothing of numbers that it doesn't look at, or that are as they should be", async () => {
  assertEquals(await notesOf({ [norm(0)]: [NOT_A_NUMBER, INFINITY, BIG] }), []);
  assertEquals(await notesOf({ [norm(0)]: [INFINITY] }, "float16"), []);
  assertEquals(await notesOf({ [norm(0)]: [INFINITY, BIG] }, "float32"), []);
});
