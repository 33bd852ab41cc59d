/**
 * What messages list of all families: they grow with each.
 */

import { families } from "../../lib/models/families.ts";

/** Words as messages list them. */
export function listed(words: readonly string[], conjunction: "and" | "or"): string {
  return `${words.slice(0, -1).join(", ")} ${conjunction} ${words.at(-1)}`;
}

/** The names of the families, in quotes. */
export const FAMILIES = listed(families.map(({ name }) => JSON.stringify(name)), "or");

/** The end of a message about an unknown model. */
export const ARCHITECTURES = "ckpt models lists all of them";
