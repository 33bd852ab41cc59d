/**
 * Makes a checkpoint of full size of any family as fairseq2 0.8 writes it, in no time and next to no space: sparse
 * files, from the sizes and names in `fixtures/families`, which fairseq2 itself gave.
 *
 * ```sh
 * deno run -A tests/bench/make_native.ts --family qwen --model qwen3_32b --shards 8 <directory>
 * ```
 *
 * The directory gets `step_1/model/pp_00/tp_XX/sdp_00.pt` and `model.yaml`.
 *
 * @module
 */

import { completeLiterals } from "../../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import { bytes } from "../../lib/bytes/view.ts";
import { combineCrc32 } from "../../lib/copy/crc32.ts";
import type { Literal } from "../../lib/copy/plan.ts";
import { parseArgs } from "../../lib/deps.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { numel, type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { currentDialect, layoutState } from "../../lib/torch/save_state.ts";
import { architectureConfigs, architectureFacts, type Row, shardDims } from "../convert/_families.ts";
import { crcOfZeros } from "./make_checkpoint.ts";

/** What to make. */
export interface NativeOptions {
  /** fairseq2's name for the family. */
  readonly family: string;
  /** fairseq2's name for the architecture. */
  readonly model: string;
  /** The number of tensor-parallel shards; 1 by default. */
  readonly shards?: number;
  /** The dtype, by torch's name; bfloat16 by default. */
  readonly dtype?: string;
  /** Fields of `model_config` that are to be others. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Rows of parameters, where they aren't to be the architecture's. */
  readonly rows?: (rows: readonly Row[]) => readonly Row[];
  /** Where to make it. */
  readonly directory: string;
}

/** The rows of all parameters of a whole model, in fairseq2's order. */
export function parameterRows(rows: readonly Row[], layers: number): Row[] {
  const isOfLayer = ([name]: Row) => name.includes("layers.N.");
  const first = rows.findIndex(isOfLayer);
  const last = rows.findLastIndex(isOfLayer);
  return [
    ...rows.slice(0, first),
    ...Array.from(
      { length: layers },
      (_, layer) =>
        rows.slice(first, last + 1).map((
          [name, shape],
        ): Row => [name.replace("layers.N.", `layers.${layer}.`), shape]),
    ).flat(),
    ...rows.slice(last + 1),
  ];
}

/** The output projection begins with this byte, so that it isn't the embedding once more. */
const MARK = Uint8Array.of(0x3f);

/**
 * Makes a checkpoint.
 *
 * @returns The paths of the model files.
 */
export function makeNative(options: NativeOptions): string[] {
  const { family, model, shards = 1, dtype = "bfloat16", directory } = options;
  const facts = architectureFacts[family]![model]!;
  const config = { ...architectureConfigs[family]!.architectures[model]!, ...options.config };
  const dims: Record<string, 0 | 1> = config.shard_embed_dim === false
    ? { ...shardDims(family), "decoder_frontend.embed.weight": 0 }
    : shardDims(family);
  const type = dtypeOf(dtype);
  const tied = config.tied_embeddings === true;
  const rows = parameterRows((options.rows ?? ((all) => all))(facts.fairseq2), facts.layers);
  const paths: string[] = [];
  for (let rank = 0; rank < shards; rank++) {
    const state = new Map<string, Tensor>();
    for (const [name, shape] of rows) {
      const dim = shards === 1 ? undefined : dims[name.replace(/layers\.\d+\./, "layers.N.")];
      const size = shape.map((n, i) => i === dim ? n / shards : n);
      const length = numel(size) * type.itemBytes;
      if (name === "final_proj.weight" && tied) {
        state.set(name, { ...state.get("decoder_frontend.embed.weight")! });
        continue;
      }
      const crc = name === "final_proj.weight"
        ? combineCrc32(crc32(MARK), crcOfZeros(length - 1), length - 1)
        : crcOfZeros(length);
      state.set(name, tensorOfView(type, size, bytes("weights", 0, length), crc));
    }
    const tp = `${directory}/step_1/model/pp_00/tp_${String(rank).padStart(2, "0")}`;
    Deno.mkdirSync(tp, { recursive: true });
    const layout = layoutState("sdp_00.pt", state, { dialect: currentDialect });
    const path = `${tp}/sdp_00.pt`;
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    file.truncateSync(layout.size);
    const write = ({ at, bytes }: Literal) => {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    };
    for (const literal of completeLiterals(layout, layout.copies.map((copy) => copy.crc!))) write(literal);
    // The projection's storage is the last one where it has one of its own; its copy is known by its CRC-32.
    const mark = tied
      ? undefined
      : layout.copies.find(({ crc }) => crc === state.get("final_proj.weight")!.storage.crc);
    if (mark !== undefined) write({ at: mark.at, bytes: MARK });
    paths.push(path);
  }
  Deno.writeTextFileSync(`${directory}/model.yaml`, modelYaml(family, config));
  return paths;
}

/** A model.yaml as fairseq2 0.8 dumps it. JSON's numbers, words and lists are YAML's. */
function modelYaml(family: string, config: Readonly<Record<string, unknown>>): string {
  return [
    "name: checkpoint",
    `model_family: ${family}`,
    "model_config:",
    ...Object.entries(config).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`),
    "",
  ].join("\n");
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["family", "model", "shards", "_"] });
  const [directory] = args._;
  if (typeof args.family !== "string" || typeof args.model !== "string" || directory === undefined) {
    console.error("usage: make_native.ts --family FAMILY --model NAME [--shards N] DIR");
    Deno.exit(2);
  }
  const paths = makeNative({
    family: args.family,
    model: args.model,
    shards: Number(args.shards ?? 1),
    directory: String(directory),
  });
  console.log(paths.join("\n"));
}
