/** What a family of models knows of its tokens: what a conversion takes where no file says it. */

import type { ModelDescription, SpecialTokens } from "./model_description.ts";

/** How a published model samples: what its `generation_config.json` says besides tokens. */
export interface SamplingSettings {
  /** `temperature`. */
  readonly temperature: number;
  /** `top_p`. */
  readonly topP: number;
  /** `max_length`, in tokens, where the model has it. */
  readonly maxLength?: number;
}

/** A model, and the names that it goes by. */
export interface NamedModel {
  readonly model: ModelDescription;
  /** Its published architecture, where it has one. */
  readonly architecture?: string | undefined;
  /** The model card or architecture that a user named, or the card in a `model.yaml`. */
  readonly card?: string | undefined;
}

/** A version of LLaMA whose vocabulary is tiktoken's. 3.3's tokenizer is 3.1's. */
export type Llama3Version = "3" | "3.1" | "3.2" | "3.3";

/** A version of LLaMA, which decides on its tokenizer and on what its special tokens are. */
export type LlamaVersion = "1" | "2" | Llama3Version;

/** What a family of models knows of its tokens where no file says them. */
export interface TokenFamily {
  /** Whether a card is that of a model that follows instructions. */
  readonly isInstruct: (card: string) => boolean;
  /** The tokens that a model has as it was published. */
  readonly published: (named: NamedModel, isInstruct: boolean) => SpecialTokens;
  /** The token that ends a turn in the instruct models; `undefined` where there are none. */
  readonly turnEnd: (named: NamedModel) => number | undefined;
  /** How the model samples that a card is of, where that is known. */
  readonly sampling?: (card: string) => SamplingSettings | undefined;
  /** The version of LLaMA whose `tokenizer.model` a model has, where it has one. */
  readonly tokenizerOf?: (named: NamedModel) => LlamaVersion | undefined;
}
