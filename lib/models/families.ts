/** All model families. */

import type { Family, Naming } from "./family.ts";
import { llama } from "./llama/family.ts";
import { mistral } from "./mistral/family.ts";
import { olmo } from "./olmo/family.ts";
import { qwen } from "./qwen/family.ts";
import type { ModelDescription } from "./model_description.ts";
import { type Parameter, parseName } from "./parameter.ts";

/** The families, in the order in which they are tried. */
export const families: readonly Family[] = [llama, qwen, mistral, olmo];

const byName: ReadonlyMap<string, Family> = new Map(families.map((family) => [family.name, family]));

/** The family of a name, or `undefined` where there is none. */
export function findFamily(name: string): Family | undefined {
  return byName.get(name);
}

/** The family of a model. */
export function familyOf({ family }: Pick<ModelDescription, "family">): Family {
  return byName.get(family)!;
}

/**
 * The parameter of any family that a name stands for. The families agree on fairseq2's names and on those of the
 * reference layout; on Hugging Face's they don't.
 */
export function findParameter(naming: Naming, name: string): Parameter | undefined {
  for (const family of families) {
    const parameter = parseName(family, naming, name);
    if (parameter !== undefined) return parameter;
  }
  return undefined;
}
