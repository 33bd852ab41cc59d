/**
 * Checkpoints of more files than a process may have open.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { llama } from "../lib/models/llama/family.ts";
import { expectedParameters, formatName, type Parameter, shapeOf } from "../lib/models/parameter.ts";
import { dtypeOf } from "../lib/tensor/dtype.ts";
import { commandLine, CONVERT } from "./_ckpt.ts";
import { fsdpSizes, pathOf, readState, saveState } from "./_native.ts";
import type { Values } from "./_tensors.ts";
import { TempDir } from "./_temp.ts";

const FILES = 512;
const LIMIT = 128;

/** Big enough for workers where what is verified counts, too. */
const model = {
  ...llama.architectures[0]!,
  dim: 64,
  layers: 1,
  heads: 4,
  kvHeads: 4,
  headDim: 16,
  intermediateSize: 192,
  vocabSize: 100_000,
};

/** Makes a checkpoint of FSDP pieces; returns its tensors by their names in the reference layout. */
function makePieces(directory: string): Map<string, Values> {
  const whole = expectedParameters(llama, model).map((parameter): [Parameter, Values] => {
    const shape = shapeOf(parameter, model);
    const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 4));
    for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return [parameter, { dtype: dtypeOf("float32"), shape, bytes }];
  });
  for (let rank = 0; rank < FILES; rank++) {
    const pieces = whole.map(([parameter, { dtype, shape, bytes }]): [string, Values] => {
      const sizes = fsdpSizes(FILES)(shape[0]!);
      const before = sizes.slice(0, rank).reduce((sum, size) => sum + size, 0);
      const rowBytes = bytes.length / shape[0]!;
      const part = bytes.subarray(before * rowBytes, (before + sizes[rank]!) * rowBytes);
      return [
        formatName("fairseq2", parameter),
        { dtype, shape: [sizes[rank]!, ...shape.slice(1)], bytes: part },
      ];
    });
    saveState(pathOf(`${directory}/step_1`, 0, 0, rank), new Map(pieces));
  }
  Deno.writeTextFileSync(
    `${directory}/model.yaml`,
    [
      "name: checkpoint",
      "model_family: llama",
      "model_config:",
      `  model_dim: ${model.dim}`,
      "  max_seq_len: 2048",
      `  vocab_info: {size: ${model.vocabSize}, unk_idx: 0, bos_idx: 1, eos_idx: 2, pad_idx: null}`,
      `  num_layers: ${model.layers}`,
      `  num_attn_heads: ${model.heads}`,
      `  num_key_value_heads: ${model.kvHeads}`,
      `  ffn_inner_dim: ${model.intermediateSize}`,
      "  ffn_inner_dim_scale: 1.0",
      "  ffn_inner_dim_to_multiple: 64",
      "  rope_theta: 10000.0",
      "  use_scaled_rope: false",
      "  dropout_p: 0.0",
      "",
    ].join("\n"),
  );
  return new Map(whole.map(([parameter, values]) => [formatName("reference", parameter), values]));
}

/** Runs the program where a process may have few files open. */
async function limited(args: readonly string[], permissions?: readonly string[]) {
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", `ulimit -n ${LIMIT}; exec "$@"`, "sh", ...commandLine(args, permissions)],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test({
  name: `ckpt reads ${FILES} files where ${LIMIT} may be open, with any number of workers`,
  ignore: Deno.build.os === "windows",
  async fn() {
    using temp = new TempDir();
    const expected = makePieces(temp.at("in"));
    const step = temp.at("in", "step_1");
    const scoped = [`--allow-read=${temp.path}`, `--allow-write=${temp.path}`];
    for (const [jobs, permissions] of [["4"], ["24", scoped], ["256"]] as const) {
      const output = temp.at("out");
      const options = ["--quiet", "--no-clone", "--verify", "--jobs", jobs];
      const run = await limited([...CONVERT, ...options, step, output], permissions);
      assertEquals(run, { code: 0, stderr: "" }, `--jobs ${jobs} ${permissions}`);
      const state = await readState(`${output}/consolidated.00.pth`);
      assertEquals([...state.keys()], [...expected.keys()]);
      for (const [name, { bytes }] of state) {
        assertEquals(Buffer.compare(bytes, expected.get(name)!.bytes), 0, `${name} with --jobs ${jobs}`);
      }
      if (jobs !== "256") Deno.removeSync(output, { recursive: true });
      else Deno.renameSync(output, temp.at("kept"));
    }
    for (
      const args of [["inspect", step], ["verify", "--jobs", "24", step], ["compare", step, temp.at("kept")]]
    ) {
      assertEquals(
        (await limited([...args, ...(args[0] === "inspect" ? [] : ["--quiet"])])).code,
        0,
        args[0],
      );
    }
  },
});
