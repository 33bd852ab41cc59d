/** The model card: what a reader of a directory, and the hub, are told of a model. */

import { familyOf } from "../../models/families.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { VERSION } from "../../version.ts";

/** What the model card's file is called (huggingface_hub `repocard.py`). */
export const MODEL_CARD = "README.md";

/** What a model card says beside the model's own sizes. */
export interface ModelCardFacts {
  /** What it was converted from, for people: `"fairseq2 0.2–0.4"`. */
  readonly kind: string;
  /** The step that it was converted from, where it was one of several: `"step_1000"`. */
  readonly step?: string;
  /** The architecture's name, where it is a published one. */
  readonly architecture?: string;
  /** fairseq2's name for the published model that it was trained from, where that is known. */
  readonly card?: string;
  /** Its license, by the name that the hub has for it, where the input says it. */
  readonly license?: string;
  /** How many numbers it has. */
  readonly parameters: number;
  /** The dtype of most of them. */
  readonly dtype: string;
  /** The dtype that the numbers were cast to. */
  readonly cast?: string;
}

/**
 * The text of a model card: front matter in YAML, which the hub reads (its `modelcard.md`), and a few sentences. What
 * isn't known is left to fill in as a comment. The same model gives the same text: it has no dates and no paths.
 *
 * @param model The model.
 * @param facts What else is known.
 * @returns The text.
 */
export function modelCard(model: ModelDescription, facts: ModelCardFacts): string {
  const { kind, step, architecture, card, license, parameters, dtype, cast } = facts;
  const family = familyOf(model);
  const base = card === undefined ? undefined : family.hubNames?.[card];
  return [
    "---",
    "library_name: transformers",
    "pipeline_tag: text-generation",
    base === undefined
      ? "# base_model: the model that it was trained from, as owner/name"
      : `base_model: ${base}`,
    license === undefined ? "# license: to be filled in" : `license: ${license}`,
    "tags:",
    `- ${family.name}`,
    ...(kind.startsWith("fairseq2") ? ["- fairseq2"] : []),
    "---",
    "",
    `# ${card ?? architecture ?? `A ${family.title} model`}`,
    "",
    `A ${family.title} model of ${parameters.toLocaleString("en-US")} parameters in ${dtype}` +
    `${architecture === undefined ? "" : `, of the architecture ${architecture}`}.`,
    "",
    `Converted from ${
      step === undefined ? kind : `${kind}, ${step.replace("_", " ")},`
    } by ckpt ${VERSION}. ` +
    (cast === undefined ? "No number was changed." : `The numbers were cast to ${cast}.`),
    "",
  ].join("\n");
}
