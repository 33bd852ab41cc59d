/** Planning a GGUF file: the weights, and in front of them what llama.cpp needs to know, the tokenizer included. */

import type { Checkpoint } from "../layouts/checkpoint.ts";
import { GENERATION_CONFIG, generationConfigJson } from "../layouts/huggingface/generation_config.ts";
import { ggufFiles, type GgufOptions } from "../layouts/gguf/write.ts";
import { parseJsonFields } from "../layouts/json_fields.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { OptionError } from "../error.ts";
import { familyOf } from "../models/families.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { resolveTokens } from "./resolve_tokens.ts";

/** What is to be written. */
export interface GgufPlanOptions extends Pick<GgufOptions, "tied" | "dtype" | "maxShardSize"> {
  /** A `tokenizer.model`, or a directory of a tokenizer; `false` for none, not even the input's. */
  readonly tokenizer?: string | false;
  /** llama.cpp's name for how texts are split; the tokenizer decides by default. */
  readonly tokenizerPre?: string;
  /** Whether the user says that it is an instruct model. */
  readonly instruct?: boolean;
}

/**
 * Plans a GGUF file.
 *
 * @throws {OptionError} If the options don't fit the model, or there is no tokenizer.
 * @throws {MismatchError} If the tokenizer isn't the model's.
 * @throws {FormatError} If a file that is read isn't what it must be.
 * @throws {FileError} If it can't be read.
 */
export function planGguf(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  { tokenizer: wanted, instruct, tied, dtype, maxShardSize }: GgufPlanOptions,
): PlannedOutput {
  const { model, architecture } = resolved;
  if (wanted !== false) {
    throw new OptionError(
      "A GGUF file without a tokenizer can't be run; give --no-tokenizer to write it all the same",
    );
  }
  const found = resolveTokens(checkpoint, resolved, { instruct });
  const { path = GENERATION_CONFIG, text = generationConfigJson(model, found.tokens, found.sampling) } =
    found.generation ?? {};
  const { files, notes } = ggufFiles(checkpoint, model, {
    name: architecture ?? familyOf(model).title,
    tied,
    dtype,
    maxShardSize,
    generation: parseJsonFields(text, path).values,
  });
  return { files, notes: [...found.notes, ...notes] };
}
