/**
 * Checkpoints of several shards and of any size, with weights that differ everywhere, so that no byte can be
 * exchanged for another unseen.
 */

import { completeLiterals } from "../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import { bytes } from "../lib/bytes/view.ts";
import { join } from "../lib/deps.ts";
import { llama } from "../lib/models/llama/family.ts";
import { expectedParameters, formatName, shapeOf, shardDimOf } from "../lib/models/parameter.ts";
import { dtypeOf } from "../lib/tensor/dtype.ts";
import { numel, type Tensor, tensorOfView } from "../lib/tensor/tensor.ts";
import { currentDialect, layoutState } from "../lib/torch/save_state.ts";

const shape = {
  family: "llama",
  dim: 64,
  layers: 1,
  heads: 4,
  kvHeads: 4,
  headDim: 16,
  intermediateSize: 192,
  multipleOf: 64,
  ropeTheta: 10000,
  normEps: 1e-5,
  maxSeqLen: 2048,
  embeddingShardDim: 1,
  tied: false,
} as const;

/** The bytes of a shard of which all but some thousand are the two matrices with a row for each token. */
export interface ShardOptions {
  /** The number of shards: 2, 4, 8 … up to 64, which the sizes are divided by. */
  readonly shards: number;
  /** About how many bytes the whole checkpoint is to have. */
  readonly bytes: number;
}

/**
 * Makes a checkpoint as fairseq2 0.3 lays it out, of float32.
 *
 * @param directory Where to make `model.yaml` and `step_1/model.{0,1,…}.pt`.
 * @param options Its size.
 * @returns The step directory.
 */
export function makeShards(directory: string, { shards, bytes: total }: ShardOptions): string {
  const vocabSize = shards * Math.max(1, Math.round(total / (2 * 4 * shape.dim * shards)));
  const step = join(directory, "step_1");
  Deno.mkdirSync(step, { recursive: true });
  for (let rank = 0; rank < shards; rank++) {
    const name = `model.${rank}.pt`;
    const wrap = (dict: unknown) => new Map([["model", dict], ["model_key", "model"]]) as never;
    const layout = layoutState(name, shardState(vocabSize, shards), { dialect: currentDialect, wrap });
    using file = Deno.openSync(join(step, name), { write: true, createNew: true });
    const write = (at: number, bytes: Uint8Array) => {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    };
    const crcs = layout.copies.map(({ at, view }) => {
      const weights = randomBytes(view.rows * view.rowBytes);
      write(at, weights);
      return crc32(weights);
    });
    for (const { at, bytes } of completeLiterals(layout, crcs)) write(at, bytes);
  }
  Deno.writeTextFileSync(join(directory, "model.yaml"), modelYaml(vocabSize, shards));
  return step;
}

function shardState(vocabSize: number, shards: number): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  const model = { ...shape, vocabSize };
  for (const each of expectedParameters(llama, model)) {
    const split = shardDimOf(each, model.embeddingShardDim);
    const size = shapeOf(each, model).map((n, i) => i === split ? n / shards : n);
    state.set(
      formatName("fairseq2", each),
      tensorOfView(dtypeOf("float32"), size, bytes("weights", 0, 4 * numel(size))),
    );
  }
  return state;
}

function randomBytes(length: number): Uint8Array {
  const random = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(random.subarray(at, at + 65536));
  return random;
}

function modelYaml(vocabSize: number, shards: number): string {
  return [
    "name: checkpoint",
    "model_family: llama",
    "model_config:",
    `  model_dim: ${shape.dim}`,
    "  max_seq_len: 2048",
    `  vocab_info: {size: ${vocabSize}, unk_idx: 0, bos_idx: 1, eos_idx: 2, pad_idx: null}`,
    `  num_layers: ${shape.layers}`,
    `  num_attn_heads: ${shape.heads}`,
    `  num_key_value_heads: ${shape.kvHeads}`,
    `  ffn_inner_dim: ${shape.intermediateSize}`,
    "  ffn_inner_dim_scale: 1.0",
    "  ffn_inner_dim_to_multiple: 64",
    "  rope_theta: 10000.0",
    "  use_scaled_rope: false",
    "  dropout_p: 0.0",
    `num_shards: ${shards}`,
    "",
  ].join("\n");
}
