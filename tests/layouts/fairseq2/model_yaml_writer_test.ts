/**
 * model.yaml as it is written, against the files that fairseq2 itself wrote, and against what this library reads.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { architectures } from "../../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { modelYaml } from "../../../lib/layouts/fairseq2/model_yaml_writer.ts";
import type { ModelYamlForm } from "../../../lib/models/family.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";
import { Random } from "../../copy/_random.ts";
import { randomModel } from "../../convert/_random_model.ts";

const real: readonly (readonly [name: string, form: ModelYamlForm, shards: number, tied: boolean])[] = [
  ["fairseq2-0.3.0/llama3_bf16", "0.2-0.3", 1, false],
  ["fairseq2-0.3.0/llama2_fp16", "0.2-0.3", 1, false],
  ["fairseq2-0.3.0/llama3_bf16_tp2", "0.2-0.3", 2, false],
  ["fairseq2-0.3.0/llama2_fp32_tp4", "0.2-0.3", 4, false],
  ["fairseq2-0.4.5/llama3_bf16", "0.4", 1, false],
  ["fairseq2-0.4.5/llama3_bf16_tp2", "0.4", 2, false],
  ["fairseq2-0.8.1/llama3_bf16/checkpoints", "0.5+", 1, false],
  ["fairseq2-0.8.1/llama3_bf16_tied/checkpoints", "0.5+", 1, true],
  ["fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints", "0.5+", 2, false],
];

for (const [name, form, shards, tied] of real) {
  Deno.test(`modelYaml() gives the text that fairseq2 wrote: ${name}`, () => {
    const text = Deno.readTextFileSync(join(CHECKPOINTS, name, "model.yaml"));
    const model = parseModelYaml(text);
    const { bosId, eosIds, padId } = model;
    const tokens = {
      ...(bosId !== undefined && { bosId }),
      ...(eosIds !== undefined && { eosIds }),
      ...(padId !== undefined && { padId }),
    };
    // 0.3 names a tokenizer that was saved beside the model, or would have been.
    const expected = text.replace("tokenizer_ref: checkpoint_tokenizer\n", "");
    assertEquals(expected === text, form !== "0.2-0.3");
    assertEquals(modelYaml(model, { form, shards, tied, tokens }), expected);
  });
}

const DESCRIBED = [
  "dim",
  "layers",
  "heads",
  "kvHeads",
  "intermediateSize",
  "vocabSize",
  "ropeTheta",
  "maxSeqLen",
] as const;

/** Writes and reads a model.yaml; checks what no form may change. */
function readBack(model: ModelDescription, form: ModelYamlForm, shards: number, tied: boolean) {
  const { bosId = 1, eosIds = [2] } = model;
  const text = modelYaml(model, { form, shards, tied, tokens: { bosId, eosIds } });
  const read = parseModelYaml(text);
  for (const field of DESCRIBED) assertEquals(read[field], model[field], `${field} in\n${text}`);
  if (form !== "0.5+") {
    assertEquals(read.numShards, shards > 1 ? shards : undefined);
    assertEquals(read.bosId, bosId);
    assertEquals(read.eosIds, eosIds.slice(0, 1));
  }
  return read;
}

Deno.test("modelYaml() says what parseModelYaml() reads, for random models", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const model = randomModel(random);
    const [shards, tied] = [random.integer(1, 4), random.integer(0, 1) === 1];
    const new_ = readBack(model, "0.5+", shards, tied);
    assertEquals(new_.generation, "0.5+");
    assertEquals(new_.ropeScaling, model.ropeScaling);
    assertEquals(new_.tied, tied);
    assertEquals(new_.embeddingShardDim, model.embeddingShardDim);

    const of0_4 = readBack(model, "0.4", shards, tied);
    assertEquals(of0_4.generation, "0.4");
    assertEquals(of0_4.ropeScaling, model.ropeScaling);

    // Both can only say that RoPE is scaled: each version has its own numbers.
    const scaled = { factor: 8, lowFreqFactor: 1, originalContextLength: 8192 };
    const of0_3 = readBack(model, "0.2-0.3", shards, tied);
    assertEquals(of0_3.generation, "0.2-0.3");
    assertEquals(of0_3.ropeScaling, model.ropeScaling && { ...scaled, highFreqFactor: 5 });
    for (const generation of ["0.2-0.3", "0.4"] as const) {
      const text = modelYaml(model, { form: "0.2-0.4", shards, tied, tokens: {} });
      const read = parseModelYaml(text, { generations: [generation] });
      assertEquals(read.generation, generation);
      assertEquals(read.intermediateSize, model.intermediateSize);
      const highFreqFactor = generation === "0.4" ? 4 : 5;
      assertEquals(read.ropeScaling, model.ropeScaling && { ...scaled, highFreqFactor });
    }
  }
});

Deno.test("modelYaml() states a feed-forward width as it is where no multiplier gives it", () => {
  const model: ModelDescription = { ...architectures[0]!, multipleOf: 256, intermediateSize: 11000 };
  for (const form of ["0.2-0.3", "0.2-0.4", "0.4", "0.5+"] as const) {
    const text = modelYaml(model, { form, shards: 1, tied: false, tokens: {} });
    const read = parseModelYaml(text);
    assertEquals([read.intermediateSize, read.multipleOf], [11000, 1]);
    assertMatch(text, /^ +ffn_inner_dim: 11000\n +ffn_inner_dim_scale: 1\.0\n/m);
  }
});

Deno.test("modelYaml() has null for tokens that aren't known, and SentencePiece's unknown token where it is", () => {
  const model = architectures[0]!;
  const of = (form: ModelYamlForm, tokens: Parameters<typeof modelYaml>[1]["tokens"]) =>
    /vocab_info:\n((?: {4,}\w+: \w+\n)+)/.exec(
      modelYaml(model, { form, shards: 1, tied: false, tokens }),
    )![1]!
      .replaceAll(/ +(\w+:) /g, "$1");
  assertEquals(
    of("0.2-0.3", {}),
    "size:32000\nunk_idx:null\nbos_idx:null\neos_idx:null\npad_idx:null\n",
  );
  assertEquals(
    of("0.2-0.3", { bosId: 1, eosIds: [2], padId: 0 }),
    "size:32000\nunk_idx:0\nbos_idx:1\neos_idx:2\npad_idx:0\n",
  );
});
