/**
 * Which versions of fairseq2 may have written a `model.yaml`, by the fields that it has.
 */

import type { ConfigError } from "../../models/config_error.ts";
import type { ConfigFields } from "../../models/config_fields.ts";

/**
 * The versions of fairseq2 that share one form of `model.yaml`.
 *
 * `0.2-0.3` nests the vocabulary and has no numbers for scaled RoPE; `0.4` puts all under `_set_` and adds
 * `rope_scaling` and `ffn_inner_dim_multiplier`; `0.5+`, checked up to 0.8.1, renamed most of what it added to.
 */
export type Generation = "0.2-0.3" | "0.4" | "0.5+";

/** The generations, oldest first. */
export const generations: readonly Generation[] = ["0.2-0.3", "0.4", "0.5+"];

const UNTIL_0_3: readonly Generation[] = ["0.2-0.3"];
const UNTIL_0_4: readonly Generation[] = ["0.2-0.3", "0.4"];
const ONLY_0_4: readonly Generation[] = ["0.4"];
const FROM_0_4: readonly Generation[] = ["0.4", "0.5+"];
const FROM_0_5: readonly Generation[] = ["0.5+"];

/** Fields of the configuration that not all generations have (the dataclass `LLaMAConfig` of each). */
const configFields: ReadonlyMap<string, readonly Generation[]> = new Map([
  ["vocab_info", UNTIL_0_4],
  ["ffn_inner_dim_to_multiple", UNTIL_0_4],
  ["ffn_inner_dim_multiplier", FROM_0_4],
  ["rope_scaling", ONLY_0_4],
  ["vocab_size", FROM_0_5],
  ["pad_idx", FROM_0_5],
  ["tied_embeddings", FROM_0_5],
  ["ffn_inner_dim_multiple_of", FROM_0_5],
  ["rope_scale", FROM_0_5],
  ["init_std", FROM_0_5],
  ["init_std_scale", FROM_0_5],
  ["shard_embed_dim", FROM_0_5],
]);

/** The same for `vocab_info`. */
const vocabularyFields: ReadonlyMap<string, readonly Generation[]> = new Map([
  ["boh_idx", ONLY_0_4],
  ["eoh_idx", ONLY_0_4],
]);

/** The name that 0.3 gives to the tokenizer of each checkpoint. */
const TOKENIZER_OF_0_3 = "checkpoint_tokenizer";

/** All can read this directive, but only 0.4 writes it, in its checkpoints and in its cards. */
const HABIT_OF_0_4 = "_set_";

/**
 * The generation of a `model.yaml`: the only one that has all of its fields; where several have, the one that the
 * caller knows of by other means, else 0.4 if it looks like that, else the oldest.
 *
 * @param top The fields of the file.
 * @param config The fields of its configuration, where it has one.
 * @param hint The generation that wrote the checkpoint, if the caller knows.
 * @returns The generation.
 * @throws {ConfigError} If no generation has all of the fields.
 */
export function detectGeneration(
  top: ConfigFields,
  config: ConfigFields | undefined,
  hint?: Generation,
): Generation {
  // The last field that ruled each generation out, to name the two that contradict each other.
  const ruledOut = new Map<Generation, string>();
  const rule = (field: string, allowed: readonly Generation[]) => {
    for (const generation of generations) {
      if (!allowed.includes(generation) && !ruledOut.has(generation)) ruledOut.set(generation, field);
    }
    if (ruledOut.size === generations.length) throw contradiction(top, field, allowed, ruledOut);
  };

  if (top.values.get("tokenizer_ref") === TOKENIZER_OF_0_3) rule("tokenizer_ref", UNTIL_0_3);
  const found = config === undefined ? [] : levels(config);
  for (const [path, fields] of found) {
    const rules = path === "vocab_info." ? vocabularyFields : configFields;
    for (const field of fields.keys()) {
      const allowed = rules.get(field);
      if (allowed !== undefined) rule(`${config!.path}.${path}${field}`, allowed);
    }
  }
  const possible = generations.filter((generation) => !ruledOut.has(generation));
  const looksLike0_4 = found.some(([, fields]) => fields.has(HABIT_OF_0_4));
  const likely = hint ?? (looksLike0_4 ? "0.4" : undefined);
  return likely !== undefined && possible.includes(likely) ? likely : possible[0]!;
}

/** The mappings of a configuration that have telling fields, by their paths. */
function levels(config: ConfigFields): [string, ReadonlyMap<string, unknown>][] {
  const found: [string, ReadonlyMap<string, unknown>][] = [["", config.values]];
  for (const directive of ["_set_", "_add_"]) {
    const nested = config.values.get(directive);
    if (nested instanceof Map) found.push(["", nested]);
  }
  const vocabulary = found.map(([, fields]) => fields.get("vocab_info")).find((value) =>
    value instanceof Map
  );
  return vocabulary === undefined
    ? found
    : [...found, ["vocab_info.", vocabulary as ReadonlyMap<string, unknown>]];
}

/** A field that only generations have which an earlier field ruled out. */
function contradiction(
  top: ConfigFields,
  field: string,
  allowed: readonly Generation[],
  ruledOut: ReadonlyMap<Generation, string>,
): ConfigError {
  const other = ruledOut.get(allowed[0]!);
  return top.error(field, `is a field of fairseq2 ${allowed.join(" and ")}, which has no ${other}`);
}
