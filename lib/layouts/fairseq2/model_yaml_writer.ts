import { familyOf } from "../../models/families.ts";
import type { ModelYamlFields } from "../../models/family.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { printYaml, type YamlMapping, type YamlValue } from "../../python/yaml_printer.ts";

/** What a `model.yaml` says besides what a {@linkcode ModelDescription} and its family's configuration do. */
export interface ModelYamlOptions extends ModelYamlFields {
  /** The number of tensor-parallel shards; forms until 0.4 have it from 2 up, later ones never. */
  readonly shards: number;
}

/**
 * The `model.yaml` of a model, as the versions of fairseq2 print it that it is for (0.3.0 `checkpoint/manager.py`,
 * 0.4.5 `checkpoint/_metadata_provider.py`, 0.8.1 `checkpoint/model_metadata.py`).
 *
 * Every field is there but those that name a tokenizer. Dropout is 0: no other layout says one.
 */
export function modelYaml(model: ModelDescription, options: ModelYamlOptions): string {
  const { form, shards } = options;
  const config = familyOf(model).modelYaml.write(model, options);
  const top = new Map<string, YamlValue>([
    ["name", "checkpoint"],
    ["model_family", model.family],
    ["model_config", form === "0.2-0.3" || form === "0.5+" ? config : setting(config, model, options)],
  ]);
  if (form !== "0.5+" && shards > 1) top.set("num_shards", shards);
  return printYaml(top);
}

/**
 * 0.4 changes the configuration of LLaMA 3.1 8B by a `model.yaml` and needs `_set_` to do so; 0.3 knows `_set_`, too.
 * For both, the fields of 0.4 alone are dropped: 0.3 hasn't got them, and 0.4 then takes its class's defaults.
 */
function setting(config: YamlMapping, model: ModelDescription, options: ModelYamlOptions): YamlMapping {
  const all = familyOf(model).modelYaml.write(model, { ...options, form: "0.4" });
  const others = [...all.keys()].filter((name) => !config.has(name));
  return new Map<string, YamlValue>([
    ["_set_", config],
    ...(others.length > 0 ? [["_del_", others] as const] : []),
  ]);
}
