/**
 * Makes a checkpoint of full size as fairseq2 0.3 writes it, with random weights or, in no time and next to no
 * space, as a sparse file of zeros.
 *
 * ```sh
 * deno run -A tests/bench/make_checkpoint.ts --model llama3_2_1b --fill random <directory>
 * deno run -A tests/bench/make_checkpoint.ts --model llama3_1_405b --shards 8 <directory>
 * ```
 *
 * The directory gets `step_1/model.pt`, or `step_1/model.{0,1,…}.pt`, and `model.yaml`.
 *
 * @module
 */

import { completeLiterals } from "../../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import { combineCrc32 } from "../../lib/copy/crc32.ts";
import type { Literal } from "../../lib/copy/plan.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { parseArgs } from "../../lib/deps.ts";
import { familyOf } from "../../lib/models/families.ts";
import type { Architecture } from "../../lib/models/family.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { expectedParameters, formatName, shapeOf, shardDimOf } from "../../lib/models/parameter.ts";
import { Global, type PickleValue, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { numel, type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { layoutState, type TorchDialect } from "../../lib/torch/save_state.ts";

/** What to make. */
export interface MakeOptions {
  /** An architecture or a model card. */
  readonly model: string;
  /** The number of tensor-parallel shards; 1 by default. */
  readonly shards?: number;
  /** The number of layers, where it isn't to be the architecture's. */
  readonly layers?: number;
  /** The dtype, by torch's name; bfloat16 by default. */
  readonly dtype?: string;
  /** What the weights are: a hole in the file, or random bytes that form finite numbers. */
  readonly fill?: "sparse" | "random";
  /** Where to make it. */
  readonly directory: string;
}

/** torch 2.5, which fairseq2 0.3 runs on. */
const dialect: TorchDialect = {
  alignment: 64,
  statesAlignment: false,
  statesByteOrder: true,
  hasSerializationId: true,
  numericOrder: false,
};

/** The CRC-32 of zeros. */
export function crcOfZeros(length: number): number {
  let crc = 0;
  let power = crc32(new Uint8Array(1));
  let powerLength = 1;
  let done = 0;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) {
      crc = combineCrc32(crc, power, powerLength);
      done += powerLength;
    }
    power = combineCrc32(power, power, powerLength);
    powerLength *= 2;
  }
  if (done !== length) throw new Error("unreachable");
  return crc;
}

/** Random bytes whose every 16-bit word has a small exponent, so that they are finite in any dtype. */
function randomBlock(): Uint8Array {
  const block = new Uint8Array(1 << 20);
  for (let at = 0; at < block.length; at += 65536) crypto.getRandomValues(block.subarray(at, at + 65536));
  for (let i = 1; i < block.length; i += 2) block[i]! &= 0xbf;
  return block;
}

/** The state of one shard, with the CRC-32 of its weights already known. */
function shardState(architecture: Architecture, options: MakeOptions, block: Uint8Array | undefined) {
  const { shards = 1, dtype = "bfloat16" } = options;
  const type = dtypeOf(dtype);
  const shape = { ...architecture, layers: options.layers ?? architecture.layers };
  const state = new Map<string, Tensor>();
  for (const parameter of expectedParameters(familyOf(shape), shape)) {
    const dimension = shards === 1 ? undefined : shardDimOf(parameter, architecture.embeddingShardDim);
    const size = shapeOf(parameter, shape).map((n, i) => i === dimension ? n / shards : n);
    const length = numel(size) * type.itemBytes;
    const crc = block === undefined ? crcOfZeros(length) : crcOfRepeated(block, length);
    state.set(formatName("fairseq2", parameter), tensorOfView(type, size, bytes("weights", 0, length), crc));
  }
  return state;
}

function crcOfRepeated(block: Uint8Array, length: number): number {
  let crc = 0;
  const whole = crc32(block);
  let rest = length;
  for (; rest >= block.length; rest -= block.length) crc = combineCrc32(crc, whole, block.length);
  return combineCrc32(crc, crc32(block.subarray(0, rest)), rest);
}

/** What fairseq2 0.3 saves under FSDP: the state dict with its metadata, under a key. */
function wrap(dict: PickleValue): PickleValue {
  const orderedDict = new Global("collections", "OrderedDict");
  const state = new Reduction(orderedDict, new Tuple());
  const metadata = new Reduction(orderedDict, new Tuple());
  const modules = new Set<string>();
  for (const [name, value] of dict as Map<string, PickleValue>) {
    state.dictItems.set(name, value);
    const parts = name.split(".");
    for (let n = 0; n < parts.length; n++) modules.add(parts.slice(0, n).join("."));
  }
  for (const module of modules) metadata.dictItems.set(module, new Map([["version", 1]]));
  state.state = new Map([["_metadata", metadata]]);
  return new Map<PickleValue, PickleValue>([["model", state], ["model_key", "model"]]);
}

/**
 * Makes a checkpoint.
 *
 * @returns The paths of the model files.
 */
export function makeCheckpoint(options: MakeOptions): string[] {
  const { shards = 1, fill = "sparse", directory } = options;
  const architecture = findArchitecture(options.model, "llama");
  const step = `${directory}/step_1`;
  Deno.mkdirSync(step, { recursive: true });
  const block = fill === "random" ? randomBlock() : undefined;
  const paths: string[] = [];
  for (let rank = 0; rank < shards; rank++) {
    const name = shards === 1 ? "model.pt" : `model.${rank}.pt`;
    const layout = layoutState(name, shardState(architecture, options, block), { dialect, wrap });
    const path = `${step}/${name}`;
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    file.truncateSync(layout.size);
    const write = ({ at, bytes }: Literal) => {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    };
    for (const literal of completeLiterals(layout, layout.copies.map((copy) => copy.crc!))) write(literal);
    if (block !== undefined) {
      for (const { at, view } of layout.copies) {
        for (let done = 0; done < view.rows; done += block.length) {
          write({ at: at + done, bytes: block.subarray(0, Math.min(block.length, view.rows - done)) });
        }
      }
    }
    paths.push(path);
  }
  Deno.writeTextFileSync(`${directory}/model.yaml`, modelYaml(architecture, options));
  return paths;
}

function modelYaml(architecture: Architecture, { layers, shards = 1 }: MakeOptions): string {
  const { name, dim, heads, kvHeads, intermediateSize, multipleOf, ropeTheta, vocabSize, maxSeqLen } =
    architecture;
  return [
    "name: checkpoint",
    "model_family: llama",
    `model_arch: ${name}`,
    "model_config:",
    `  model_dim: ${dim}`,
    `  max_seq_len: ${maxSeqLen}`,
    `  vocab_info: {size: ${vocabSize}, unk_idx: null, bos_idx: 1, eos_idx: 2, pad_idx: null}`,
    `  num_layers: ${layers ?? architecture.layers}`,
    `  num_attn_heads: ${heads}`,
    `  num_key_value_heads: ${kvHeads}`,
    `  ffn_inner_dim: ${intermediateSize}`,
    "  ffn_inner_dim_scale: 1.0",
    `  ffn_inner_dim_to_multiple: ${multipleOf}`,
    `  rope_theta: ${ropeTheta.toFixed(1)}`,
    `  use_scaled_rope: ${architecture.ropeScaling !== undefined}`,
    "  dropout_p: 0.0",
    ...(shards > 1 ? [`num_shards: ${shards}`] : []),
    "",
  ].join("\n");
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["model", "shards", "layers", "dtype", "fill", "_"] });
  const [directory] = args._;
  if (typeof args.model !== "string" || directory === undefined) {
    console.error(
      "usage: make_checkpoint.ts --model NAME [--shards N] [--layers N] [--dtype D] [--fill random] DIR",
    );
    Deno.exit(2);
  }
  const number = (value: unknown) => value === undefined ? {} : Number(value);
  const paths = makeCheckpoint({
    model: args.model,
    directory: String(directory),
    fill: args.fill === "random" ? "random" : "sparse",
    ...(args.dtype === undefined ? {} : { dtype: String(args.dtype) }),
    ...(args.shards === undefined ? {} : { shards: number(args.shards) as number }),
    ...(args.layers === undefined ? {} : { layers: number(args.layers) as number }),
  });
  console.log(paths.join("\n"));
}
