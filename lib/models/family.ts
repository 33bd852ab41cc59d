/**
 * What a model family is: a value with all that a converter must know of it. Nothing else knows a family by name.
 *
 * @module
 */

import type { ModelDescription } from "./model_description.ts";

/** Whose names tensors have. */
export type Naming = "fairseq2" | "reference" | "huggingface";

/** One kind of parameter. */
export interface ParameterSpec {
  /**
   * Its whole names, with `{}` for the layer where every layer has one. fairseq2's are the canonical ones. A family
   * that isn't in the reference layout has no names there.
   */
  readonly names: {
    readonly fairseq2: string;
    readonly huggingface: string;
    readonly reference?: string | undefined;
  };
  /** The whole shape: rows and columns, or the length of a vector. */
  readonly shape: (model: ModelDescription) => readonly number[];
  /**
   * The dimension along which tensor parallelism splits it, `"embedding"` where the model decides, or `undefined` where
   * each shard has a copy.
   */
  readonly shardDim?: 0 | 1 | "embedding";
  /**
   * Whether the two rows that RoPE turns together lie side by side in each head, where Hugging Face's layout has the
   * first ones of all pairs and then the second ones.
   */
  readonly isPaired?: boolean;
  /** Whether a model has it; all of the family have it by default. */
  readonly isPresent?: (model: ModelDescription) => boolean;
}

/** A published architecture. */
export interface Architecture extends ModelDescription {
  /** fairseq2's name for it. */
  readonly name: string;
  /** fairseq2's names for the models that have it. */
  readonly cards: readonly string[];
  /** Numbers of layers that checkpoints of this name have besides the published one: the checkpoint decides. */
  readonly alternativeLayers: readonly number[];
}

/** A model family. */
export interface Family {
  /** fairseq2's name for it: `model_family` in `model.yaml`. */
  readonly name: string;
  /** Its name for people. */
  readonly title: string;
  /**
   * Its parameters in the order of fairseq2's state dicts: those before the layers, those of a layer, those after. The
   * embedding ({@link EMBEDDING}) and the output projection ({@link PROJECTION}) are among them in every family.
   */
  readonly parameters: readonly ParameterSpec[];
  /** The published architectures. */
  readonly architectures: readonly Architecture[];
  /** The token that ends a sequence in the models of a card, where it isn't its architecture's. */
  readonly endOfTurn?: (card: string) => number | undefined;
}

/** The canonical name of the embedding. */
export const EMBEDDING = "decoder_frontend.embed.weight";

/** The canonical name of the output projection. Where the two are tied, fairseq2's state dicts have both. */
export const PROJECTION = "final_proj.weight";
