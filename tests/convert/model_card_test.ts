/** The model card of a Hugging Face output. */

import { assertEquals, assertMatch } from "@std/assert";
import { planHuggingFace } from "../../lib/convert/plan_huggingface.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { join } from "../../lib/deps.ts";
import type { Checkpoint } from "../../lib/layouts/checkpoint.ts";
import { families } from "../../lib/models/families.ts";
import { findModelCard } from "../../lib/models/model_cards.ts";
import { convertCheckpoint, VERSION } from "../../mod.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { describedCheckpoint, plannedText } from "./_described.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const QWEN = join(ROOT, "fixtures/checkpoints/fairseq2-0.8.1/qwen3_bf16_tied/checkpoints/step_10");

/** The text of the card of a described model, by the name that the user calls it. */
async function cardOf(named: string, more: Partial<Checkpoint> = {}, cast?: "float16"): Promise<string> {
  const checkpoint = { ...describedCheckpoint(findModelCard(named, "llama").architecture), ...more };
  const { files } = await planHuggingFace(checkpoint, resolveModel(checkpoint, named), {
    tied: false,
    dtype: cast,
  });
  return plannedText(files, "README.md");
}

Deno.test("a model card says what is known, and leaves the rest to fill in", async () => {
  assertEquals(
    await cardOf("llama3_1_8b_instruct", { path: "run/step_40/model" }),
    `---
library_name: transformers
pipeline_tag: text-generation
base_model: meta-llama/Llama-3.1-8B-Instruct
# license: to be filled in
tags:
- llama
- fairseq2
---

# llama3_1_8b_instruct

A LLaMA model of 8,030,261,248 parameters in bfloat16, of the architecture llama3_1_8b.

Converted from fairseq2, step 40, by ckpt ${VERSION}. No number was changed.
`,
  );
});

Deno.test("the name of an architecture alone doesn't say what a model was trained from", async () => {
  const card = await cardOf("llama3_1_8b", { path: "weights" }, "float16");
  assertMatch(card, /^# base_model: /m);
  assertMatch(card, /\n\nConverted from fairseq2 by ckpt .* The numbers were cast to float16\.\n$/);
});

Deno.test("a license is carried over from a GGUF file, if it is the name of one", async () => {
  const general = (value: string) => ({
    kind: "GGUF",
    general: new Map([["general.license", { type: "string", value } as const]]),
  });
  assertMatch(await cardOf("llama3_1_8b", general("apache-2.0")), /^license: apache-2\.0$/m);
  const card = await cardOf("llama3_1_8b", general("mit\nbase_model: evil/model"));
  assertMatch(card, /^# license: /m);
  assertEquals([card.includes("evil"), card.includes("fairseq2")], [false, false]);
});

Deno.test("each model card that stands for one model has its name on the hub", () => {
  for (const { architectures, hubNames = {} } of families) {
    // An alias of an architecture stands for all models that have it, and LLaMA 1 isn't on the hub.
    const cards = architectures.flatMap(({ name, alias, cards }) =>
      cards.filter((card) => card !== name && card !== alias && !/^(llama|llama2)_\d+b$/.test(card))
    );
    assertEquals(Object.keys(hubNames).sort(), [...cards].sort());
    for (const name of Object.values(hubNames)) assertMatch(name, /^[\w.-]+\/[\w.-]+$/);
  }
});

Deno.test("--no-card writes none, and an input's own doesn't go along", async () => {
  using temp = new TempDir();
  const options = { input: QWEN, to: "huggingface" } as const;
  await convertCheckpoint({ ...options, output: temp.at("a") });
  await convertCheckpoint({ ...options, output: temp.at("b"), card: false });
  assertEquals(temp.names("b"), ["config.json", "generation_config.json", "model.safetensors"]);
  assertEquals(temp.names("a"), ["README.md", ...temp.names("b")]);

  Deno.writeTextFileSync(temp.at("b", "README.md"), "# Mine\n");
  const { notes } = await convertCheckpoint({
    input: temp.at("b"),
    to: "huggingface",
    output: temp.at("c"),
  });
  assertMatch(Deno.readTextFileSync(temp.at("c", "README.md")), /Converted from Hugging Face by ckpt/);
  assertEquals(notes.filter((note) => note.includes("README.md")), [
    `these files of ${temp.at("b")} don't go along: README.md`,
  ]);
});

Deno.test("huggingface_hub reads the front matter, and finds nothing wrong in it", {
  ignore: python() === undefined,
}, async () => {
  using temp = new TempDir();
  await convertCheckpoint({ input: QWEN, to: "huggingface", output: temp.at("a") });
  Deno.writeTextFileSync(temp.at("card.md"), await cardOf("llama3_1_8b_instruct"));
  const program = `
import json, sys
from huggingface_hub import ModelCard
print(json.dumps([ModelCard.load(path).data.to_dict() for path in sys.argv[1:]]))
`;
  assertEquals(JSON.parse(await runPython(program, [temp.at("a", "README.md"), temp.at("card.md")])), [
    { library_name: "transformers", pipeline_tag: "text-generation", tags: ["qwen", "fairseq2"] },
    {
      library_name: "transformers",
      pipeline_tag: "text-generation",
      base_model: "meta-llama/Llama-3.1-8B-Instruct",
      tags: ["llama", "fairseq2"],
    },
  ]);
});
