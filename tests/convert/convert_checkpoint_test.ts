/**
 * Conversions of checkpoints that fairseq2 wrote, against what its own converter made of them.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { assertSameFile, stateFacts } from "../_state_facts.ts";
import { referenceNote } from "../_notes.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const cases = [
  "fairseq2-0.3.0/llama3_bf16",
  "fairseq2-0.3.0/llama2_fp16",
  "fairseq2-0.3.0/llama3_bf16_tp2",
  "fairseq2-0.3.0/llama2_fp32_tp4",
  "fairseq2-0.4.5/llama3_bf16",
  "fairseq2-0.4.5/llama3_bf16_tp2",
];

/** Written by a newer torch there than the source, so its files can't be the same. */
const ddp = "fairseq2-0.3.0/llama3_fp32_ddp";

const PARAMS_OF_LLAMA3 = `{
  "model": {
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 2,
    "multiple_of": 8,
    "ffn_dim_multiplier": 1.5,
    "rope_theta": 500000.0,
    "norm_eps": 1e-05
  }
}
`;

const PARAMS_OF_LLAMA2 = `{
  "model": {
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "multiple_of": 8,
    "rope_theta": 10000.0,
    "norm_eps": 1e-05
  }
}
`;

/** The text of a JSON file without the space between its tokens, none of which has space in it. */
function compactJson(path: string): string {
  return Deno.readTextFileSync(path).replace(/\s+/g, "");
}

for (const name of [...cases, ddp]) {
  const input = join(CHECKPOINTS, name, "step_10");
  const expected = join(CHECKPOINTS, "expected", name, "reference");
  const files = [...Deno.readDirSync(expected)].map((entry) => entry.name).sort();
  const weights = files.filter((file) => file.endsWith(".pth"));

  Deno.test(`convertCheckpoint() writes the params.json of ${name}`, async () => {
    using temp = new TempDir();
    await convertCheckpoint({ input, output: temp.at("out") });
    assertEquals(temp.names("out"), files);
    const text = Deno.readTextFileSync(temp.at("out", "params.json"));
    assertEquals(text, name.includes("llama3") ? PARAMS_OF_LLAMA3 : PARAMS_OF_LLAMA2);
    assertEquals(compactJson(temp.at("out", "params.json")), compactJson(join(expected, "params.json")));
  });

  if (name !== ddp) {
    Deno.test(`convertCheckpoint() writes ${name} byte for byte as fairseq2 does`, async () => {
      using temp = new TempDir();
      const summary = await convertCheckpoint({ input, output: temp.at("out"), clone: false });
      assertEquals(temp.names("out"), files);
      for (const file of weights) assertSameFile(temp.at("out", file), join(expected, file));
      assertEquals(summary.cloned, []);
    });
  }

  Deno.test(`convertCheckpoint() carries over every tensor of ${name}`, async () => {
    using temp = new TempDir();
    // With clones, where the file system of the temporary directory has them.
    await convertCheckpoint({ input, output: temp.at("out") });
    for (const file of weights) {
      const actual = await stateFacts(temp.at("out", file));
      assertEquals(actual, await stateFacts(join(expected, file)));
      assertEquals(actual.length, 21);
    }
  });
}

Deno.test("convertCheckpoint() sums up what it did", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16_tp2/step_10");
  const output = temp.at("out");
  const { seconds, ...summary } = await convertCheckpoint({ input, output, clone: false });
  assert(seconds > 0);
  const files = temp.names("out").map((name) => ({ name, bytes: Deno.statSync(temp.at("out", name)).size }));
  assertEquals(summary, {
    input,
    output,
    architecture: null,
    // 50 × 32 twice, and in each of 2 layers: q and o 32 × 32, k and v 16 × 32, w1 to w3 128 × 32, 2 norms; 1 norm.
    parameters: 3200 + 2 * (2048 + 1024 + 3 * 4096 + 64) + 32,
    dtypes: ["bfloat16"],
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    complete: true,
    reused: [],
    cloned: [],
    notes: [referenceNote(5)],
  });
});

Deno.test("convertCheckpoint() converts into an empty directory, and makes the directories above", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp16/step_10");
  Deno.mkdirSync(temp.at("empty"));
  await convertCheckpoint({ input, output: temp.at("empty") });
  await convertCheckpoint({ input, output: temp.at("a", "b", "c") });
  assertEquals(temp.names(), ["a", "empty"]);
  assertEquals(temp.names("a", "b"), ["c"]);
  for (const output of [temp.at("empty"), temp.at("a", "b", "c")]) {
    assertEquals([...Deno.readDirSync(output)].map(({ name }) => name).sort(), [
      "consolidated.00.pth",
      "params.json",
    ]);
  }
});
