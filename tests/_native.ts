/**
 * Checkpoints as fairseq2 0.5 to 0.8 lays them out, cut out of a whole state dict in every way that there is.
 */

import { completeLiterals } from "../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import { bytes, type View } from "../lib/bytes/view.ts";
import { dirname, join } from "../lib/deps.ts";
import { dtypeOf } from "../lib/tensor/dtype.ts";
import { type Tensor, tensorOfView } from "../lib/tensor/tensor.ts";
import { currentDialect, layoutState } from "../lib/torch/save_state.ts";
import { FileSource } from "../lib/bytes/mod.ts";
import { openTorchFile } from "../lib/torch/mod.ts";
import { readTensorBytes } from "../lib/convert/mod.ts";
import { chunkValues, splitValues, type Values } from "./_tensors.ts";

/** A state dict. Names with the same values object share a storage. */
export type State = ReadonlyMap<string, Values>;

/** The state dict in a file that holds a flat one. */
export async function readState(path: string): Promise<State> {
  using source = FileSource.open(path);
  const file = await openTorchFile(source);
  const shared = new Map<unknown, Values>();
  const state = new Map<string, Values>();
  for (const [name, value] of file.root as Map<string, never>) {
    const tensor = file.tensor(value, name)!;
    const { dtype, shape, storage } = tensor;
    const values = shared.get(storage) ?? { dtype, shape, bytes: readTensorBytes(tensor) };
    shared.set(storage, values);
    state.set(name, values);
  }
  return state;
}

/** Saves a state dict as torch does. */
export function saveState(path: string, state: State): void {
  const made = new Map<Values, Tensor>();
  const contents = new Map<View, Uint8Array>();
  const tensors = new Map<string, Tensor>();
  for (const [name, values] of state) {
    let tensor = made.get(values);
    if (tensor === undefined) {
      const view = bytes(`values ${made.size}`, 0, values.bytes.length);
      contents.set(view, values.bytes);
      tensor = tensorOfView(values.dtype, values.shape, view);
      made.set(values, tensor);
      tensors.set(name, tensor);
    } else {
      tensors.set(name, { ...tensor });
    }
  }
  const layout = layoutState("sdp_00.pt", tensors, { dialect: currentDialect });
  const file = new Uint8Array(layout.size);
  const crcs = layout.copies.map(({ at, view }) => {
    file.set(contents.get(view)!, at);
    return crc32(contents.get(view)!);
  });
  for (const { at, bytes } of completeLiterals(layout, crcs)) file.set(bytes, at);
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeFileSync(path, file);
}

/** Applies a function to all values. What shares a storage still does. */
function mapValues(state: State, change: (values: Values, name: string) => Values): State {
  const memo = new Map<Values, Values>();
  return new Map([...state].map(([name, values]) => {
    const changed = memo.get(values) ?? change(values, name);
    memo.set(values, changed);
    return [name, changed];
  }));
}

/** The tensor-parallel shards of a state dict, as fairseq2's sharder cuts them. */
export function cutState(state: State, count: number, embeddingShardDim: 0 | 1 = 0): State[] {
  if (count === 1) return [state];
  return Array.from({ length: count }, (_, rank) =>
    mapValues(state, (values, name) => {
      if (values.shape.length === 1) return { ...values };
      const isEmbedding = name === "decoder_frontend.embed.weight" || name === "tok_embeddings.weight";
      const isOutput =
        /\.(?:self_attn\.output_proj|ffn\.output_proj|attention\.wo|feed_forward\.w2)\.weight$/;
      const dimension = isEmbedding ? embeddingShardDim : isOutput.test(name) ? 1 : 0;
      return chunkValues(values, dimension, count)[rank]!;
    }));
}

/** What is left of a parameter on a rank that has nothing of it. */
export type EmptyPiece =
  /** FSDP2: an empty tensor of the parameter's dtype and width. */
  | "empty"
  /** FSDP1 of fairseq2 0.8: `torch.Tensor([])`. */
  | "float32"
  /** FSDP1 of fairseq2 0.5 to 0.7: not even the name. */
  | "missing";

/**
 * The pieces of a state dict along dimension 0.
 *
 * @param state The state dict.
 * @param sizesOf How many rows each piece is to have of so many.
 * @param emptyPiece What is left where that is 0.
 */
export function pieces(
  state: State,
  sizesOf: (rows: number) => readonly number[],
  emptyPiece: EmptyPiece = "empty",
): State[] {
  const split = new Map<Values, Values[]>();
  for (const values of state.values()) split.set(values, splitValues(values, 0, sizesOf(values.shape[0]!)));
  const nothing: Values = { dtype: dtypeOf("float32"), shape: [0], bytes: new Uint8Array() };
  return Array.from({ length: sizesOf(0).length }, (_, rank) => {
    const piece = new Map(mapValues(state, (values) => {
      const part = split.get(values)![rank]!;
      return emptyPiece === "float32" && part.shape[0] === 0 ? { ...nothing } : part;
    }));
    if (emptyPiece === "missing") {
      for (const [name, { shape }] of piece) if (shape[0] === 0) piece.delete(name);
    }
    return piece;
  });
}

/** The sizes that `torch.chunk` gives, as FSDP does: all but the last are the same, and some may be 0. */
export function fsdpSizes(count: number): (rows: number) => number[] {
  return (rows) => {
    const size = Math.ceil(rows / count);
    return Array.from({ length: count }, (_, rank) => Math.max(0, Math.min(size, rows - rank * size)));
  };
}

/** Pipeline stages: the names of each begin with one of its prefixes. */
export function stagesOf(state: State, prefixes: readonly (readonly string[])[]): State[] {
  return prefixes.map((stage) =>
    new Map([...state].filter(([name]) => stage.some((prefix) => name.startsWith(prefix))))
  );
}

/** The path of one of a checkpoint's files. */
export function pathOf(step: string, pp: number, tp: number, sdp: number): string {
  const pad = (rank: number) => String(rank).padStart(2, "0");
  return join(step, "model", `pp_${pad(pp)}`, `tp_${pad(tp)}`, `sdp_${pad(sdp)}.pt`);
}

/** Writes a step: its files by pipeline stage, tensor-parallel rank and `sdp` rank. */
export function writeNative(step: string, grid: readonly (readonly (readonly State[])[])[]): void {
  grid.forEach((stage, pp) =>
    stage.forEach((shard, tp) => shard.forEach((state, sdp) => saveState(pathOf(step, pp, tp, sdp), state)))
  );
}
