/**
 * The published architectures of all families, by the names that fairseq2 has for them and for their model cards.
 */

import { levenshteinDistance } from "../deps.ts";
import { OptionError } from "../error.ts";
import { listed } from "../words.ts";
import { families, familyOf } from "./families.ts";
import type { Architecture, Family } from "./family.ts";
import { checkOptions, type Rule, text } from "../options.ts";

/** A model card: a name that stands for an architecture. */
export interface ModelCard {
  /** The name. */
  readonly name: string;
  /** The architecture. */
  readonly architecture: Architecture;
  /** The one token that ends a sequence in fairseq2. Instruction-tuned models end a turn instead. */
  readonly eosId: number | undefined;
}

/** The published architectures. */
export const architectures: readonly Architecture[] = families.flatMap(({ architectures }) => architectures);

/** The cards by name, of each family that has one of the name. */
const cards = new Map<string, ModelCard[]>();
for (const family of families) {
  for (const architecture of family.architectures) {
    const { name, alias = name } = architecture;
    for (const each of new Set([name, alias, ...architecture.cards])) {
      cards.set(each, [...cards.get(each) ?? [], modelCard(each, architecture, family)]);
    }
  }
}

/** The names that others have for models, such as meta-llama/Llama-3.2-1B-Instruct, in one form; see `bare`. */
const spellings = new Map<string, string | undefined>();
for (const name of cards.keys()) {
  const key = bare(name);
  spellings.set(key, spellings.has(key) ? undefined : name);
}

/** A name without what spellings differ in: an owner, `Meta-`, `-hf`, and all that is neither a letter nor a digit. */
function bare(name: string): string {
  return name.slice(-100).toLowerCase().replace(/^.*\//, "").replace(/^meta[-_]/, "").replace(/[-_]hf$/, "")
    .replace(/[^a-z0-9]+/g, "");
}

function modelCard(name: string, architecture: Architecture, { tokens }: Family): ModelCard {
  const eosId = tokens.isInstruct(name)
    ? tokens.turnEnd({ model: architecture, card: name })
    : architecture.eosIds?.[0];
  return Object.freeze({ name, architecture, eosId });
}

/**
 * The model card of a name. The names of architectures are taken as names of cards, too, and so are those that the
 * models have elsewhere: `meta-llama/Llama-3.2-1B-Instruct` is `llama3_2_1b_instruct`.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { findModelCard } from "./model_cards.ts";
 *
 * assertEquals(findModelCard("llama3_3_70b_instruct").architecture.name, "llama3_1_70b");
 * ```
 *
 * @param name A name of an architecture or of a model card.
 * @param family The name of the family that decides where several have the name.
 * @returns The card.
 * @throws {OptionError} If there is none of this name, and the message has the nearest names; or several families have it.
 */
export function findModelCard(name: string, family?: string): ModelCard {
  checkOptions({ name, family }, { name: anyName, family: text });
  const found = cardsNamed(name);
  const card = found.find(({ architecture }) => architecture.family === family) ?? found[0]!;
  if (found.length > 1 && family === undefined) {
    const titles = found.map(({ architecture }) => `a ${familyOf(architecture).title}`);
    const names = found.map(({ architecture }) => architecture.cards[0]!);
    throw new OptionError(
      `The model ${JSON.stringify(name)} may be ${listed(titles, "or")}: say ${listed(names, "or")}`,
    );
  }
  return card;
}

/**
 * The model cards of a name, one for each family that has it.
 *
 * @throws {OptionError} If there is none, and the message has the nearest names.
 */
export function cardsNamed(name: string): readonly ModelCard[] {
  const found = cards.get(name) ?? cards.get(spellings.get(bare(name)) ?? "");
  if (found === undefined) {
    throw new OptionError(`Unknown model ${JSON.stringify(name)}: ${suggestion(name)}`);
  }
  return found;
}

/** Also the empty name is one, if no model's: the message has those that there are. */
const anyName: Rule = { what: "a text", isRequired: true, allows: (value) => typeof value === "string" };

/**
 * The architecture of a name.
 *
 * @example Usage
 * ```ts
 * import { findArchitecture } from "@ckpt/ckpt/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(findArchitecture("llama3_2_1b_instruct").name, "llama3_2_1b");
 * ```
 *
 * @param name A name of an architecture or of a model card.
 * @param family The name of the family that decides where several have the name.
 * @returns The architecture.
 * @throws {OptionError} If there is none of this name, and the message has the nearest names; or several families have it.
 */
export function findArchitecture(name: string, family?: string): Architecture {
  return findModelCard(name, family).architecture;
}

/** The names of all architectures and model cards. */
export function modelNames(): string[] {
  return [...cards.keys()];
}

const MAX_SUGGESTIONS = 3;

/**
 * What to try instead of an unknown name: the nearest names, where some are near, and all architectures.
 *
 * A name is near that has all words of the unknown one in a row (`8b`, `llama3_2`), or that few edits make of it:
 * at most a third of its letters, and at most one more than the nearest needs.
 *
 * @param name The unknown name.
 * @returns A sentence or two, without a full stop.
 */
export function suggestion(name: string): string {
  // The names that others have for the models: meta-llama/Llama-3.2-1B, Meta-Llama-3-8B, Llama-2-7b-chat-hf.
  const normal = name.slice(-100).toLowerCase().replace(/^.*\//, "").replace(/[^a-z0-9]+/g, "_")
    .replace(/^meta_/, "").replace(/llama_([23])/, "llama$1").replace(/_hf$/, "");
  const near = modelNames()
    .map((candidate) => ({
      candidate,
      distance: distance(normal, candidate),
      family: familyIndex(candidate),
    }))
    .filter(({ candidate, distance }) => distance * 3 <= candidate.length)
    .sort((a, b) =>
      a.distance - b.distance || a.family - b.family || a.candidate.length - b.candidate.length
    );
  const nearest = near.filter(({ distance }) => distance <= near[0]!.distance + 1).slice(0, MAX_SUGGESTIONS);
  const question = nearest.length === 0
    ? ""
    : `did you mean ${listed(nearest.map(({ candidate }) => candidate), "or")}? `;
  return `${question}ckpt models lists all of them`;
}

function familyIndex(name: string): number {
  return families.findIndex((family) => family.name === cards.get(name)![0]!.architecture.family);
}

function distance(name: string, candidate: string): number {
  const edits = levenshteinDistance(name, candidate);
  return `_${candidate}_`.includes(`_${name}_`) ? Math.min(edits, 1) : edits;
}
