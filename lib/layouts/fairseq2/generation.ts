/** Which versions of fairseq2 may have written a `model.yaml`, by the fields that it has. */

import type { ConfigError } from "../../models/config_error.ts";
import type { ConfigFields } from "../../models/config_fields.ts";
import { type ConfigTree, type Family, type Generation, generations } from "../../models/family.ts";
import { defaultConfig } from "./config_tree.ts";

/** The name that 0.3 gives to the tokenizer of each checkpoint. */
const TOKENIZER_OF_0_3 = "checkpoint_tokenizer";

const UNTIL_0_3: readonly Generation[] = ["0.2-0.3"];

/** All can read this directive, but only 0.4 writes it, in its checkpoints and in its cards. */
const HABIT_OF_0_4 = "_set_";

/**
 * The generations that a `model.yaml` may be of: those that have all of its fields, of them those that the caller knows
 * of by other means, and 0.4 alone if it looks like that. Fields that none of them has tell nothing here.
 *
 * @param config The fields of its configuration, where it has one.
 * @param byForm The generations that the checkpoint may be of by other signs. The file's own fields count for more.
 * @returns The generations, oldest first, at least one.
 * @throws {ConfigError} If no generation has all of the fields.
 */
export function possibleGenerations(
  top: ConfigFields,
  config: ConfigFields | undefined,
  family: Family,
  byForm: readonly Generation[] = generations,
): Generation[] {
  const having = family.modelYaml.generations;
  // The last field that ruled each generation out, to name the two that contradict each other.
  const ruledOut = new Map<Generation, string>(
    generations.filter((each) => !having.includes(each)).map((each) => [each, "model_family"]),
  );
  const rule = (field: string, allowed: readonly Generation[]) => {
    for (const generation of generations) {
      if (!allowed.includes(generation) && !ruledOut.has(generation)) ruledOut.set(generation, field);
    }
    if (ruledOut.size === generations.length) throw contradiction(top, field, allowed, ruledOut);
  };

  if (top.values.get("tokenizer_ref") === TOKENIZER_OF_0_3) rule("tokenizer_ref", UNTIL_0_3);
  const found = config === undefined ? [] : levels(config.values);
  const known = having.map((generation) => [generation, defaultConfig(family, generation)] as const);
  for (const [path, fields] of found) {
    for (const field of fields.keys()) {
      // A field that no generation has tells nothing; whoever reads it refuses it.
      const allowed = known.filter(([, tree]) => hasField(tree, path, field)).map(([generation]) =>
        generation
      );
      if (allowed.length > 0) rule([config!.path, ...path, field].join("."), allowed);
    }
  }
  const fitting = generations.filter((generation) => !ruledOut.has(generation));
  const agreed = fitting.filter((generation) => byForm.includes(generation));
  const possible = agreed.length > 0 ? agreed : fitting;
  const looksLike0_4 = found.some(([, fields]) => fields.has(HABIT_OF_0_4));
  return looksLike0_4 && possible.includes("0.4") ? ["0.4"] : possible;
}

/** The mappings of a configuration, each with what it lies in; a directive is no level of its own. */
function levels(fields: ConfigTree, path: readonly string[] = []): [path: readonly string[], ConfigTree][] {
  return [
    [path, fields],
    ...[...fields].flatMap(([name, value]) => {
      if (!(value instanceof Map)) return [];
      return levels(value, name === "_set_" || name === "_add_" ? path : [...path, name]);
    }),
  ];
}

function hasField(tree: ConfigTree, path: readonly string[], field: string): boolean {
  let found: unknown = tree;
  for (const name of path) found = found instanceof Map ? found.get(name) : undefined;
  return found instanceof Map && found.has(field);
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
