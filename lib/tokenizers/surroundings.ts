/**
 * What a tokenizer puts around a text, by its `post_processor`, as gguf-py takes it (0.19 `vocab.py`,
 * `SpecialVocab._try_load_from_tokenizer_json`).
 */

import { fieldsOf } from "./read_tokenizer_json.ts";
import type { Component } from "./tokenizer_json.ts";
import type { Role } from "./tokenizer_settings.ts";

/** What is put around a text. */
export interface Surroundings {
  /** The special tokens' texts by their roles; `eot` is what ended a text before another token was found to. */
  readonly roles: ReadonlyMap<Role | "eot", string>;
  /** Whether the token that begins a text, ends it, or separates two is added, where that is said. */
  readonly adds: Map<Role | "eot", boolean>;
}

/** Reads a post-processor, with what is known of special tokens besides. */
export function surroundings(
  postProcessor: Component | null,
  known: ReadonlyMap<Role, string>,
): Surroundings {
  const roles = new Map<Role | "eot", string>(known);
  const adds = new Map<Role | "eot", boolean>();
  setDefault(roles, "bos", roles.get("cls"));
  setDefault(roles, "eos", roles.get("sep"));
  for (const processor of processorsOf(postProcessor)) {
    if (processor["type"] === "ByteLevel") {
      setDefault(adds, "bos", false);
      setDefault(adds, "eos", false);
    } else if (processor["type"] === "TemplateProcessing") {
      const single = entriesOf(processor["single"]);
      const first = single.length > 1 ? single[0]!.special : undefined;
      const last = single.length > 1 ? single.at(-1)!.special : undefined;
      if (first !== undefined) {
        setDefault(roles, "bos", first);
        setDefault(roles, "cls", first);
        adds.set("bos", first === roles.get("bos") || first === roles.get("cls"));
      }
      if (last !== undefined) {
        const eos = roles.get("eos");
        if (last !== eos && eos !== undefined) roles.set("eot", eos);
        roles.set("eos", last);
        adds.set("eos", true);
      }
      addSeparator(entriesOf(processor["pair"]), first, last, roles, adds);
    }
  }
  return { roles, adds };
}

/** Whether what stands between the two texts of a pair separates them, or is the first one's end. */
function addSeparator(
  pair: readonly Entry[],
  first: string | undefined,
  last: string | undefined,
  roles: Map<Role | "eot", string>,
  adds: Map<Role | "eot", boolean>,
): void {
  const start = first !== undefined && pair[0]?.special === first ? 1 : 0;
  const stop = last !== undefined && pair.at(-1)?.special === last ? -1 : undefined;
  const inner = pair.slice(start, stop);
  const between = inner.slice(1, -1);
  if (inner[0]?.sequence !== "A" || inner.at(-1)?.sequence !== "B" || between.length === 0) return;
  const separates = (entry: Entry | undefined) =>
    entry?.special !== undefined && [roles.get("sep"), roles.get("eos")].includes(entry.special);
  const isSeparated = separates(between[0]) && last === undefined ||
    between.length === 2 && separates(between[1]);
  adds.set("sep", isSeparated);
  if (isSeparated) setDefault(roles, "sep", roles.get("eos"));
}

/** An entry of a template: a special token, or a text. */
interface Entry {
  readonly special: string | undefined;
  readonly sequence: string | undefined;
}

function entriesOf(template: unknown): Entry[] {
  const idOf = (value: unknown) => {
    const id = fieldsOf(value)?.["id"];
    return typeof id === "string" && id !== "" ? id : undefined;
  };
  return (Array.isArray(template) ? template : []).map((entry: unknown) => ({
    special: idOf(fieldsOf(entry)?.["SpecialToken"]),
    sequence: idOf(fieldsOf(entry)?.["Sequence"]),
  }));
}

function processorsOf(component: Component | null): Readonly<Record<string, unknown>>[] {
  if (component === null) return [];
  const { processors } = component;
  const all: unknown[] = Array.isArray(processors) ? processors : [component];
  return all.map(fieldsOf).filter((processor) => processor !== undefined);
}

function setDefault<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
  if (value !== undefined && !map.has(key)) map.set(key, value);
}
