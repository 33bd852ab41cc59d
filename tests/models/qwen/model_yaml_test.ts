import { assertEquals } from "@std/assert";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { modelYaml } from "../../../lib/layouts/fairseq2/model_yaml_writer.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { assertError } from "../../convert/_assert_error.ts";

const CHECKPOINTS = new URL("../../../fixtures/checkpoints/fairseq2-0.8.1/", import.meta.url);

for (const name of ["qwen25_bf16", "qwen25_bf16_tied_fsdp3", "qwen3_bf16_tied", "qwen3_fp32_fsdp2"]) {
  Deno.test(`modelYaml() gives the text that fairseq2 wrote: ${name}`, () => {
    const text = Deno.readTextFileSync(new URL(`${name}/checkpoints/model.yaml`, CHECKPOINTS));
    const model = parseModelYaml(text);
    assertEquals(modelYaml(model, { form: "0.5+", shards: 1, tied: model.tied, tokens: {} }), text);
  });
}

const head = "model_family: qwen\nmodel_config: ";

const refused: readonly (readonly [config: string, message: string])[] = [
  ["{num_attn_heads: 30}", "num_attn_heads: 30 heads don't divide a dimension of 3584"],
  ["{num_key_value_heads: 3}", "num_key_value_heads: 3 key and value heads don't divide 28 heads"],
  ["{head_dim: 15}", "head_dim: heads of 15 rows are odd, and RoPE needs pairs"],
  ["{head_dim: 0}", "head_dim: expected a positive integer or null, got 0"],
  ["{q_norm: 1}", "q_norm: expected true or false, got 1"],
  ["{dropout_p: none}", 'dropout_p: expected a number, got "none"'],
];

Deno.test("parseModelYaml() refuses Qwen models that can't be", () => {
  for (const [config, message] of refused) {
    assertError(
      () => parseModelYaml(`${head}${config}\n`),
      ConfigError,
      `model.yaml: model_config.${message}`,
    );
  }
  // Another family's field is for the caller to judge.
  const { unknownFields } = parseModelYaml(`${head}{attn_window_len: 4096}\n`);
  assertEquals(unknownFields.map(({ field, value }) => [field, value]), [[
    "model_config.attn_window_len",
    "4096",
  ]]);
  // Heads of a size of their own need not divide the dimension.
  assertEquals(
    parseModelYaml(`${head}{num_attn_heads: 30, num_key_value_heads: 3, head_dim: 16}\n`).headDim,
    16,
  );
});

Deno.test("parseModelYaml() knows no Qwen before fairseq2 0.5", () => {
  const older = parseModelYaml(`${head}{vocab_info: {size: 50}}\n`);
  assertEquals([older.generation, older.unknownFields.map(({ name }) => name)], ["0.5+", ["vocab_info"]]);
  assertEquals(parseModelYaml(`${head}{_set_: {num_layers: 3}}\n`).generation, "0.5+");
});
