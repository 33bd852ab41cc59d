/**
 * fairseq2's own layouts: what is written opens again, as the versions of fairseq2 would have written it.
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "../../../lib/deps.ts";
import { FileSource } from "../../../lib/bytes/source.ts";
import type { SpecialTokens } from "../../../lib/models/model_description.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { openCheckpoint } from "../../../lib/convert/open_checkpoint.ts";
import { stepName } from "../../../lib/layouts/fairseq2/model_yaml_path.ts";
import { fairseq2Files, type Fairseq2Options } from "../../../lib/layouts/fairseq2/write.ts";
import { resolveModel } from "../../../lib/convert/resolve_model.ts";
import { areMatricesTied } from "../../../lib/layouts/same_values.ts";
import { haveSameBytes } from "../../../lib/layouts/same_values.ts";
import { openTorchFile } from "../../../lib/torch/torch_file.ts";
import { assertSameFile } from "../../_state_facts.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";
import { TempDir } from "../../_temp.ts";
import {
  cases,
  openCase,
  type Opened,
  readParameters,
  stepOf,
  wholeParameters,
  writeFiles,
} from "../../convert/_layouts.ts";

type Choice = Omit<Fairseq2Options, "tied" | "architecture">;

const choices: readonly Choice[] = [
  { layout: "legacy" },
  { layout: "legacy", versions: "0.2-0.3" },
  { layout: "legacy", versions: "0.4" },
  { layout: "native" },
];

/** Writes a checkpoint, and opens what was written. */
async function reopen(temp: TempDir, opened: Opened, choice: Choice): Promise<Opened> {
  const tied = await areMatricesTied(wholeParameters(opened));
  const name = `${choice.layout}-${choice.versions}-${choice.shards}`;
  writeFiles(fairseq2Files(opened.checkpoint, opened.model, { ...choice, tied }).files, temp.at(name));
  const checkpoint = await openCheckpoint(temp.at(name, "step_10"));
  return { checkpoint, model: resolveModel(checkpoint).model };
}

for (const name of cases) {
  const counts = name.includes("llama2") ? [1, 2, 4] : [1, 2];

  Deno.test(`fairseq2Files() writes checkpoints that open again, with any number of shards: ${name}`, async () => {
    using temp = new TempDir();
    const opened = await openCase(name);
    const expected = [...readParameters(opened)].sort();
    const tied = name.endsWith("tied");
    for (const choice of choices) {
      for (const shards of counts) {
        const back = await reopen(temp, opened, { ...choice, shards });
        assertEquals(back.checkpoint.shards.length, shards);
        assertEquals(
          back.checkpoint.kind,
          choice.layout === "native" ? "fairseq2 0.5–0.8" : "fairseq2 0.2–0.4",
        );
        assertEquals([...readParameters(back)].sort(), expected);
        assertEquals(await areMatricesTied(wholeParameters(back)), tied);
        const { bosId: _bos, eosIds: _eos, tied: _tied, embeddingShardDim: _dim, ...model } = back.model;
        const exact = choice.versions !== "0.2-0.3" || name.startsWith("fairseq2-0.3.0");
        for (const [field, value] of Object.entries(model)) {
          if (!(field in opened.model) || /^(?:generation|numShards)/.test(field)) continue;
          // Only 0.2 and 0.3 can't say how RoPE is scaled.
          if (field === "ropeScaling" && !exact) continue;
          assertEquals<unknown>(
            value,
            opened.model[field as keyof ModelDescription],
            `${field} of ${choice.layout}`,
          );
        }
      }
    }
  });
}

Deno.test("fairseq2Files() gives files their names and places", async () => {
  const names = async (choice: Choice) => {
    const { checkpoint, model } = await openCase("fairseq2-0.3.0/llama2_fp16");
    return fairseq2Files(checkpoint, model, { ...choice, tied: false }).files.map(({ name }) => name);
  };
  assertEquals(await names({}), ["step_10/model.pt", "model.yaml"]);
  assertEquals(await names({ shards: 2 }), ["step_10/model.0.pt", "step_10/model.1.pt", "model.yaml"]);
  assertEquals(await names({ layout: "native", shards: 2 }), [
    "step_10/model/pp_00/tp_00/sdp_00.pt",
    "step_10/model/pp_00/tp_01/sdp_00.pt",
    "model.yaml",
  ]);
});

Deno.test("stepName() keeps the number of the step that a checkpoint is of, or is in", () => {
  for (
    const path of [
      "step_7",
      "step_7/model",
      "run/step_7/model/pp_00/tp_00/sdp_00.pt",
      "step_7/model.pt",
      "/x/step_7/",
    ]
  ) {
    assertEquals(stepName(path), "step_7");
  }
  for (const path of ["hf", "step_7/hf", "step_07", "step_7.tmp", "model.gguf", "step_9999999999999999"]) {
    assertEquals(stepName(path), "step_1");
  }
});

/** What stands around the state dict in a file: the keys, and the values that are no dict. */
async function wrapperOf(path: string): Promise<unknown[]> {
  using source = FileSource.open(path);
  const { root } = await openTorchFile(source);
  return [...root as Map<unknown, unknown>].map((
    [key, value],
  ) => [key, typeof value === "object" ? "dict" : value]);
}

Deno.test("fairseq2Files() wraps state dicts as the versions that read them want it", async () => {
  using temp = new TempDir();
  const opened = await openCase("fairseq2-0.3.0/llama2_fp16");
  const wrapper = async (choice: Choice) => {
    await reopen(temp, opened, { ...choice, layout: "legacy" });
    return wrapperOf(temp.at(`legacy-${choice.versions}-undefined`, "step_10", "model.pt"));
  };
  const of0_3 = [["model", "dict"], ["model_key", "model"]];
  assertEquals(await wrapper({ versions: "0.2-0.3" }), of0_3);
  assertEquals(await wrapperOf(join(stepOf("fairseq2-0.3.0/llama2_fp16"), "model.pt")), of0_3);
  const of0_4 = [...of0_3, ["fs2", true]];
  assertEquals(await wrapper({ versions: "0.4" }), of0_4);
  assertEquals(await wrapperOf(join(stepOf("fairseq2-0.4.5/llama3_bf16"), "model.pt")), of0_4);
  assertEquals(await wrapper({}), of0_4);
});

for (const name of ["fairseq2-0.8.1/llama3_bf16", "fairseq2-0.8.1/llama3_bf16_tied"]) {
  Deno.test(`fairseq2Files() writes what fairseq2 0.8.1 wrote, in its order: ${name}`, async () => {
    using temp = new TempDir();
    const opened = await openCase(name);
    const back = await reopen(temp, opened, { layout: "native" });
    // In place of an OrderedDict, the file has a plain one.
    assertEquals([...readParameters(back)], [...readParameters(opened)]);
    assertSameFile(
      temp.at("native-undefined-undefined", "model.yaml"),
      join(dirname(stepOf(name)), "model.yaml"),
    );
  });
}

Deno.test("fairseq2Files() writes the model.yaml that fairseq2 wrote, but for the name of a tokenizer", async () => {
  using temp = new TempDir();
  for (
    const [name, versions, shards] of [
      ["fairseq2-0.3.0/llama3_bf16", "0.2-0.3", 1],
      ["fairseq2-0.3.0/llama2_fp32_tp4", "0.2-0.3", 4],
      ["fairseq2-0.4.5/llama3_bf16_tp2", "0.4", 2],
    ] as const
  ) {
    await reopen(temp, await openCase(name), { layout: "legacy", versions, shards });
    const expected = Deno.readTextFileSync(join(dirname(stepOf(name)), "model.yaml"))
      .replace("tokenizer_ref: checkpoint_tokenizer\n", "");
    assertEquals(Deno.readTextFileSync(temp.at(`legacy-${versions}-${shards}`, "model.yaml")), expected);
  }
});

Deno.test("fairseq2Files() splits the embedding as the versions that read it do", async () => {
  using temp = new TempDir();
  const opened = await openCase("fairseq2-0.3.0/llama2_fp32_tp4");
  const shapeOf = async (model: Partial<ModelDescription>, layout: "legacy" | "native", tied = false) => {
    const options = { layout, shards: 2, tied } as const;
    const { files } = fairseq2Files(opened.checkpoint, { ...opened.model, ...model }, options);
    const output = temp.at(crypto.randomUUID());
    writeFiles(files, output);
    const { shards } = await openCheckpoint(join(output, "step_10"));
    return shards[0]!.parameters.get("decoder_frontend.embed.weight")!.shape;
  };
  // Until 0.4, the context length tells.
  assertEquals(await shapeOf({}, "legacy"), [40, 16]);
  assertEquals(await shapeOf({ maxSeqLen: 8191 }, "legacy"), [40, 16]);
  assertEquals(await shapeOf({ maxSeqLen: 8192 }, "legacy"), [20, 32]);
  // Later, model.yaml says.
  assertEquals(await shapeOf({ maxSeqLen: 8192 }, "native"), [40, 16]);
  // A tied matrix is split as the projection is.
  assertEquals(await shapeOf({}, "native", true), [20, 32]);
});

Deno.test("fairseq2Files() splits tied matrices as the projection is, whatever the family's embedding is", async () => {
  using temp = new TempDir();
  const path = join(CHECKPOINTS, "..", "families", "olmo2_bf16_tied", "checkpoints", "step_10");
  const checkpoint = await openCheckpoint(path);
  const { model } = resolveModel(checkpoint);
  assertEquals([model.tied, model.embeddingShardDim], [true, 1]);
  for (const shards of [1, 2]) {
    const { files, notes } = fairseq2Files(checkpoint, model, { layout: "native", shards, tied: true });
    writeFiles(files, temp.at(String(shards)));
    const back = await openCheckpoint(temp.at(String(shards), "step_10"));
    const read = resolveModel(back).model;
    assertEquals([read.tied, read.embeddingShardDim], [true, shards === 1 ? 1 : 0]);
    assertEquals(notes.length, shards === 1 ? 0 : 2); // fairseq2 computes neither OLMo nor tied models in shards.
    const whole = wholeParameters({ checkpoint: back, model: read });
    const expected = wholeParameters({ checkpoint, model });
    assertEquals([...whole.keys()], [...expected.keys()]);
    for (const [name, tensor] of whole) {
      assertEquals(await haveSameBytes(tensor, expected.get(name)!), true, `${name} in ${shards}`);
    }
  }
});

Deno.test("fairseq2Files() makes tied matrices one tensor where model.yaml says that they are tied", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16_fsdp3");
  for (const tied of [false, true]) {
    using temp = new TempDir();
    writeFiles(fairseq2Files(checkpoint, model, { layout: "native", tied }).files, temp.at("out"));
    const back = await openCheckpoint(temp.at("out", "step_10"));
    const { parameters } = back.shards[0]!;
    const [embed, projection] = ["decoder_frontend.embed.weight", "final_proj.weight"].map((name) =>
      parameters.get(name)!
    );
    assertEquals(embed === projection, tied);
    assertEquals(resolveModel(back).model.tied, tied);
  }
});

Deno.test("fairseq2Files() chooses the versions that compute what the model needs, and notes those that don't", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16");
  const { ropeScaling: scaling, ...unscaled } = model;
  const plan = (ropeScaling: ModelDescription["ropeScaling"] | null, choice: Choice = {}) => {
    const described = ropeScaling === null ? unscaled : { ...model, ropeScaling: ropeScaling! };
    const { files, notes } = fairseq2Files(checkpoint, described, { ...choice, tied: false });
    const yaml = new TextDecoder().decode(files.at(-1)!.literals[0]!.bytes);
    const form = yaml.includes("_del_") ? "0.2-0.4" : yaml.includes("_set_") ? "0.4" : "0.2-0.3";
    return choice.layout === "native" ? notes : [form, ...notes];
  };
  const high5 = { ...scaling!, highFreqFactor: 5 };
  const factor32 = { ...scaling!, factor: 32 };
  const numbers = (of: typeof high5) =>
    `(factor ${of.factor}, low 1, high ${of.highFreqFactor}, original length 8192)`;
  const cannot = (of: typeof high5) =>
    `fairseq2 0.2 and 0.3 can't scale RoPE as the model does ${numbers(of)}: they take 8, 1, 5 and 8192`;
  const alone = (form: string, of: typeof high5) =>
    `model.yaml is for fairseq2 ${form}, which alone can scale RoPE as the model does ${numbers(of)}`;
  assertEquals(plan(null), ["0.2-0.4"]);
  assertEquals(plan(scaling), ["0.2-0.4", cannot(scaling!)]);
  assertEquals(plan(high5), ["0.2-0.3", alone("0.2-0.3", high5)]);
  assertEquals(plan(factor32), ["0.4", alone("0.4", factor32)]);
  assertEquals(plan(high5, { versions: "0.2-0.3" }), ["0.2-0.3"]);
  assertEquals(plan(factor32, { versions: "0.2-0.3" }), ["0.2-0.3", cannot(factor32)]);
  assertEquals(plan(factor32, { versions: "0.4" }), ["0.4"]);
  assertEquals(plan(factor32, { layout: "native" }), []);
});

Deno.test("fairseq2Files() gives tokens to a model.yaml that has them", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16");
  const tokens = (tokens?: SpecialTokens) => {
    const options = { tied: false, ...(tokens === undefined ? {} : { tokens }) };
    const { files } = fairseq2Files(checkpoint, model, options);
    const yaml = new TextDecoder().decode(files.at(-1)!.literals[0]!.bytes);
    return [...yaml.matchAll(/(?:bos|eos|unk)_idx: (\w+)/g)].map(([, token]) => token);
  };
  assertEquals(tokens(), ["null", "null", "null"]);
  assertEquals(tokens({ bosId: 1, eosIds: [2] }), ["0", "1", "2"]);
});

Deno.test("fairseq2Files() notes an epsilon that fairseq2 can't compute with", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.3.0/llama2_fp16");
  assertEquals(fairseq2Files(checkpoint, model, { tied: false }).notes, []);
  assertEquals(fairseq2Files(checkpoint, { ...model, normEps: 1e-6 }, { tied: false }).notes, [
    "fairseq2 can't set the epsilon of its norms: it takes 0.00001, where the model has 0.000001",
  ]);
});
