/**
 * `params.json`, which lies beside the weights in the reference layout and in Meta's own.
 *
 * fairseq2's converter nests it under `model` (0.3.0 `recipes/llama/convert_checkpoint.py`), Meta's is flat;
 * transformers' conversion script reads both.
 */

import { OptionError } from "../../error.ts";
import { ConfigError } from "../../models/config_error.ts";
import type { ConfigFields } from "../../models/config_fields.ts";
import { families, familyOf } from "../../models/families.ts";
import type { Family, ParamsJsonForm } from "../../models/family.ts";
import type { ObservedShape } from "../../models/family.ts";
import { findArchitecture } from "../../models/model_cards.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { pythonJson } from "../../python/python_json.ts";
import { parseJsonFields } from "../json_fields.ts";

/**
 * The `params.json` of a model, indented and with a newline at its end.
 *
 * @throws {OptionError} If the model's family has no such form.
 * @throws {MismatchError} If the form can't say the model's sizes.
 */
export function paramsJson(model: ModelDescription, form: ParamsJsonForm): string {
  const { paramsJson, title } = familyOf(model);
  const params = paramsJson?.write(model, form);
  if (params === undefined) {
    const other = paramsJson === undefined
      ? "Hugging Face's (--to huggingface)"
      : `${title}'s own (--to reference)`;
    throw new OptionError(`The ${form} layout has no ${title} models; write ${other}`);
  }
  return `${pythonJson(params, { indent: 2 })}\n`;
}

/**
 * Parses a `params.json`.
 *
 * @param text The text, of 65536 characters at most.
 * @throws {ConfigError} If it is no JSON, or says a field twice.
 */
export function parseParams(
  text: string,
  file: string,
): { readonly fields: ConfigFields; readonly isNested: boolean } {
  const top = parseJsonFields(text, file);
  const isNested = top.values.has("model");
  return { fields: isNested ? top.nested("model") : top, isNested };
}

/** The model of a reference directory, and what a user should be told of it. */
export interface DescribedModel {
  /** The model; `undefined` where published models that compute differently fit. */
  readonly model?: ModelDescription;
  /** What was taken where nothing is said. */
  readonly notes: readonly string[];
}

/**
 * Describes the model of a reference directory.
 *
 * @param text The text of `params.json`, nested under `model` or flat, of 65536 characters at most.
 * @param observe What the weights say, as those of a family.
 * @throws {ConfigError} If the file isn't what it must be.
 * @throws {MismatchError} If shards are missing.
 */
export function describeReference(
  text: string,
  file: string,
  shards: number,
  observe: (family: Family) => ObservedShape,
): DescribedModel {
  const { fields, isNested } = parseParams(text, file);
  for (const family of families) {
    const { name, paramsJson } = family;
    if (paramsJson === undefined || !paramsJson.isOwn(fields)) continue;
    const { model, notes } = paramsJson.describe(fields, { isNested, shards, observed: observe(family) });
    return model === undefined ? { notes } : { model: { family: name, ...model }, notes };
  }
  throw new ConfigError(file, "", "is of no model that is known");
}

/**
 * What a user should be told when a `params.json` is written: what it can't say of the model.
 *
 * @param architecture The name of the model's published architecture, where it has one.
 */
export function paramsNotes(model: ModelDescription, form: ParamsJsonForm, architecture?: string): string[] {
  const published = architecture === undefined ? undefined : findArchitecture(architecture, model.family);
  return familyOf(model).paramsJson?.notes?.(model, form, published) ?? [];
}
