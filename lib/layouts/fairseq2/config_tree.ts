/**
 * fairseq2's configurations as trees of fields: what each generation starts from, and how a `model.yaml` changes it.
 *
 * A mapping is a `Map`. The names of fields are those of the generation.
 */

import { type ConfigFields, mapping, show, texts } from "../../models/config_fields.ts";
import type { Architecture, ConfigTree, Family, Generation } from "../../models/family.ts";
import { plainValue } from "../../python/plain_value.ts";

/**
 * The configuration that fairseq2 has for an architecture. Some of its sizes may be others than the published ones; a token
 * for padding, no version before 0.5 has.
 *
 * @param eosId The token that ends a sequence, which a model card may change.
 */
export function architectureConfig(
  { modelYaml }: Family,
  architecture: Architecture,
  generation: Generation,
  eosId: number | undefined = architecture.eosIds?.[0],
): ConfigTree {
  const { bosId, padId, tied, inFairseq2 } = architecture;
  const eosIds = eosId === undefined ? undefined : [eosId];
  const tokens = { bosId, eosIds, padId: generation === "0.5+" ? padId : undefined };
  const fields = { form: generation, tied, tokens };
  return plainValue(modelYaml.write({ ...architecture, ...inFairseq2 }, fields)) as ConfigTree;
}

/** The configuration that a family has where nothing is said. */
export function defaultConfig(family: Family, generation: Generation): ConfigTree {
  const { architectures, modelYaml } = family;
  return architectureConfig(
    family,
    architectures.find(({ name }) => name === modelYaml.defaultArchitecture)!,
    generation,
  );
}

/**
 * A configuration with the changes that a `model.yaml` makes (0.3.0 `utils/structured.py` `merge_unstructured`, 0.4.5
 * `utils/merge.py`, 0.8.1 `utils/config.py`): `_del_` drops fields, so that they get their defaults, `_add_` and
 * `_set_` replace them, and a mapping in the place of a mapping changes it field by field.
 *
 * It takes all that any generation takes. Fields that the generation hasn't got are for the caller to find.
 *
 * @throws {ConfigError} If a directive isn't of the kind that it must be.
 */
export function mergeConfig(target: ConfigTree, changes: ConfigFields): ConfigTree {
  const merged = new Map(target);
  for (const name of changes.get("_del_", texts, [])) merged.delete(name);
  for (const directive of ["_add_", "_set_"]) {
    for (const [name, value] of changes.get(directive, mapping, new Map())) merged.set(name, value);
  }
  for (const [name, value] of changes.values) {
    if (directives.has(name)) continue;
    const old = merged.get(name);
    merged.set(
      name,
      value instanceof Map ? mergeConfig(old instanceof Map ? old : new Map(), changes.nested(name)) : value,
    );
  }
  return merged;
}

/** A field of a `model.yaml` that no version of fairseq2 has which ckpt knows. */
export interface UnknownField {
  /** The file, as errors name it. */
  readonly file: string;
  /** Where it lies in the file, such as `model_config.rope_scale.mode`. */
  readonly field: string;
  /** The same below the configuration, such as `rope_scale.mode`. */
  readonly name: string;
  /** Its value, as a message shows it. */
  readonly value: string;
}

/**
 * The fields of a configuration that another hasn't got, those of nested mappings included.
 *
 * @param above What the configuration lies in, with a dot at its end, for the names of the fields.
 */
export function unknownFields(config: ConfigFields, known: ConfigTree, above = ""): UnknownField[] {
  return [...config.values].flatMap(([name, value]): UnknownField[] => {
    if (!known.has(name)) {
      return [{ file: config.file, field: config.pathOf(name), name: above + name, value: show(value) }];
    }
    const nested = known.get(name);
    return nested instanceof Map && value instanceof Map
      ? unknownFields(config.nested(name), nested, `${above}${name}.`)
      : [];
  });
}

/** What is no field; `_type_` is a remnant that 0.3 skips. */
const directives: ReadonlySet<string> = new Set(["_del_", "_add_", "_set_", "_type_"]);
