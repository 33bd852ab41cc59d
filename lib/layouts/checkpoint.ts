/**
 * The canonical form of a checkpoint: every adapter reads into it or writes from it.
 *
 * Parameters go by fairseq2's names. They are whole or split over tensor-parallel shards, and the rows of q and k
 * are interleaved for RoPE as in the reference layout.
 */

import type { KnownCrc } from "../copy/plan.ts";
import type { SourceFile } from "../bytes/source.ts";
import type { GgufMetadata } from "../gguf/value.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TorchDialect } from "../torch/save_state.ts";
import type { StoredTensors } from "../torch/torch_file.ts";
import type { Generation, Naming } from "../models/family.ts";
import type { ModelDescription } from "../models/model_description.ts";

/** The parameters of one tensor-parallel shard, by canonical name, in the source's order. */
export type Parameters = ReadonlyMap<string, Tensor>;

/** One tensor-parallel shard. */
export interface TensorParallelShard {
  /** Its parameters. */
  readonly parameters: Parameters;
  /** What it was read from, for messages. */
  readonly path: string;
  /** The torch file that holds all of it, where a single one does. */
  readonly file?: StoredTensors;
}

/** A checkpoint that was opened. */
export interface Checkpoint {
  /** The path that was given. */
  readonly path: string;
  /** What it is, for people: `"fairseq2 0.2–0.4"`. */
  readonly kind: string;
  /** Whose names the tensors have in the files; fairseq2's by default. */
  readonly naming?: Naming;
  /** The shards, by rank. */
  readonly shards: readonly TensorParallelShard[];
  /** All files that hold its tensors. */
  readonly sources: readonly SourceFile[];
  /** What the files say of their own checksums. */
  readonly known: readonly KnownCrc[];
  /** The dialect of torch's format that the files are in, where they are torch's. */
  readonly dialect?: TorchDialect;
  /** The versions of fairseq2 that save it in this form, oldest first, where its form tells. */
  readonly generations?: readonly Generation[];
  /** The model.yaml that belongs to it. */
  readonly modelYaml?: string;
  /** The model, where something beside the weights describes it: a config.json, a params.json, or metadata. */
  readonly model?: ModelDescription;
  /** The names of the families that it may be of, where what describes it leaves several. */
  readonly families?: readonly string[];
  /** The file that says of the model all that there is to say, its special tokens included, where one does. */
  readonly describedBy?: string;
  /** What a GGUF file's metadata say of the tokenizer. */
  readonly tokenizer?: GgufMetadata;
  /** What they say of the model for people, such as its license. */
  readonly general?: GgufMetadata;
  /** Why it can't be converted, where that is so: it can be looked at and compared all the same. */
  readonly inconvertible?: string;
  /** What a user should be told about the input. */
  readonly notes: readonly string[];
}

/** What torch files say of the checksums of their storages. */
export function knownCrcs(files: readonly StoredTensors[]): KnownCrc[] {
  const known: KnownCrc[] = [];
  for (const { archive, storages } of files) {
    for (const { key, size, storage: { view, crc } } of storages.values()) {
      if (view.op !== "bytes" || crc === undefined) continue;
      known.push({ label: `data/${key}`, path: archive.source.path, offset: view.offset, length: size, crc });
    }
  }
  return known;
}
