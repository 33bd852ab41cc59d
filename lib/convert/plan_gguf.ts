/** Planning a GGUF file: the weights, and in front of them what llama.cpp needs to know, the tokenizer included. */

import { formatBytes } from "../bytes/format_bytes.ts";
import { undoneQuantization } from "../bytes/view.ts";
import { isDirectory } from "../bytes/file_system.ts";
import { trimMemory } from "../copy/memory.ts";
import { dirname } from "../deps.ts";
import { OptionError } from "../error.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { ggufFiles, type GgufOptions } from "../layouts/gguf/write.ts";
import { GENERATION_CONFIG } from "../layouts/huggingface/generation_config.ts";
import { parseJsonFields } from "../layouts/json_fields.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { familyOf } from "../models/families.ts";
import { ggufTokenizer } from "../tokenizers/gguf_tokenizer.ts";
import { type LoadedTokenizer, loadTokenizer } from "../tokenizers/load_tokenizer.ts";
import { agreeTokens, tokenizerOf } from "./agree_tokens.ts";
import type { ResolvedModel } from "./resolve_model.ts";

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
export async function planGguf(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  { tokenizer: wanted, tokenizerPre, instruct, ...options }: GgufPlanOptions,
): Promise<PlannedOutput> {
  const { model, architecture } = resolved;
  const carried = wanted === undefined ? checkpoint.tokenizer : undefined;
  const { tokenizer, tokens, generation, notes } = await agreeTokens(
    checkpoint,
    resolved,
    { instruct, hasTokenizer: typeof wanted === "string" },
    async (isInstruct) => {
      if (wanted === false || carried !== undefined) return undefined;
      return await loadOrRefuse(checkpoint, resolved, wanted, isInstruct);
    },
  );
  if (tokenizerPre !== undefined && tokenizer === undefined) {
    const why = carried === undefined ? "there is none" : `that of ${checkpoint.path} goes along as it is`;
    throw new OptionError(`--tokenizer-pre is for a tokenizer that is converted, and ${why}; leave it out`);
  }
  const keys = tokenizer === undefined ? undefined : ggufTokenizer(tokenizer, {
    architecture: familyOf(model).gguf.write(model).architecture,
    vocabSize: model.vocabSize,
    tokens,
    pre: tokenizerPre,
  });
  trimMemory();
  const written = ggufFiles(checkpoint, model, {
    ...options,
    name: architecture ?? familyOf(model).title,
    generation: parseJsonFields(generation, GENERATION_CONFIG).values,
    general: checkpoint.general,
    tokenizer: carried ?? keys?.metadata,
  });
  return {
    ...written,
    sources: tokenizer?.sources ?? [],
    notes: [
      ...written.notes,
      ...(options.dtype === undefined ? growthNotes(checkpoint, written) : []),
      ...notes,
      ...tokenizer?.notes ?? [],
      ...keys?.notes ?? [],
    ],
  };
}

/** What to say of quantized weights that become a larger file, since only q8_0 can be made. */
function growthNotes({ shards, sources }: Checkpoint, { files }: PlannedOutput): string[] {
  const isQuantized = shards.some(({ parameters }) =>
    [...parameters.values()].some(({ storage }) => undoneQuantization(storage.view) !== undefined)
  );
  const before = sources.reduce((sum, { size }) => sum + size, 0);
  const after = files.reduce((sum, { size }) => sum + size, 0);
  if (!isQuantized || after <= before) return [];
  return [
    `the file grows from ${formatBytes(before)} to ${
      formatBytes(after)
    }, since what was quantized is float32 now; ` +
    "--dtype bfloat16 or q8_0 makes a smaller one",
  ];
}

/** The tokenizer that was asked for, or the one beside the input. */
async function loadOrRefuse(
  { path }: Checkpoint,
  resolved: ResolvedModel,
  wanted: string | undefined,
  isInstruct: boolean,
): Promise<LoadedTokenizer> {
  const place = wanted ?? (isDirectory(path) ? path : dirname(path));
  const found = await loadTokenizer(place, resolved, isInstruct);
  if (found !== undefined) return found;
  throw new OptionError(
    wanted === undefined
      ? `llama.cpp can't run a model without its tokenizer, and ${place} has none: give --tokenizer ${
        tokenizerOf(resolved)
      }, or --no-tokenizer`
      : `${wanted}: holds no tokenizer; name ${tokenizerOf(resolved)}`,
  );
}
