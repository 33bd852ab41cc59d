/** Which of the dicts in what torch saved holds the tensors that are meant. */

import { OptionError } from "../error.ts";
import { keyText } from "../inspect/key_text.ts";
import type { PickleValue } from "../pickle/mod.ts";
import { dictOf, type PickledDict } from "../torch/pickled_dict.ts";
import { listed, quoted, someOf } from "../words.ts";

/** Keys that a model's state dict is found under: of fairseq2, Lightning, DeepSpeed, torchtitan and many scripts. */
const STATE_KEYS = ["model", "_model", "state_dict", "model_state_dict", "module"];

/** How many keys a note names. */
const NAMED = 5;

/** The dict that is meant. */
interface PickedDict {
  /** What the names of its tensors begin with: its keys with a dot behind each. */
  readonly prefix: string;
  /** What lies beside it, for people. */
  readonly leftOut: readonly string[];
}

/**
 * Picks the dict that is meant: the one that all tensors are in, or of several the one whose key is that of a state dict.
 * Where that can't be told it is the root.
 *
 * @param tensors The names of all tensors: the keys on the way to them, with dots between.
 * @param wanted The keys of the dict that is meant, with dots between; that of the root is empty. By default it is told.
 * @throws {OptionError} If no tensor is in the dict that is wanted.
 */
export function pickDict(
  root: PickleValue,
  tensors: readonly string[],
  path: string,
  wanted?: string,
): PickedDict {
  const names = new TensorNames(tensors);
  const leftOut: string[] = [];
  let prefix = "";
  let dict = dictOf(root);
  if (wanted === "") return { prefix, leftOut: remains(dict, prefix, names) };
  while (dict !== undefined) {
    const key = wanted === undefined
      ? likelyKey(dict, prefix, names)
      : [...dict.keys()].map(keyText).find((key) => `${wanted}.`.startsWith(`${prefix}${key}.`));
    if (key === undefined) break;
    leftOut.push(...remains(dict, prefix, names, key));
    dict = dictOf([...dict].find(([each]) => keyText(each) === key)?.[1]);
    prefix += `${key}.`;
    if (prefix === `${wanted}.`) break;
  }
  if (wanted !== undefined && (prefix !== `${wanted}.` || names.below(wanted) === 0)) {
    const keys = [...dictOf(root)?.keys() ?? []].map(keyText);
    throw new OptionError(
      `${path}: holds no tensors under ${quoted(wanted)}; its keys are ${someOf(keys, NAMED)}`,
    );
  }
  return { prefix, leftOut: [...leftOut, ...remains(dict, prefix, names)] };
}

/** The names of tensors, by which it is found quickly how many lie in a dict: a file may have many keys. */
class TensorNames {
  readonly #sorted: readonly string[];

  constructor(names: readonly string[]) {
    this.#sorted = [...names].sort();
  }

  /** Whether there is a tensor of this name. */
  has(name: string): boolean {
    return this.#sorted[this.#place(name)] === name;
  }

  /** The number of tensors in a dict of this name. */
  below(name: string): number {
    return this.#place(`${name}/`) - this.#place(`${name}.`); // The slash comes next after the dot.
  }

  /** Where a name is, or would be. */
  #place(name: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]! < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The key of the one dict to go into; none where tensors lie here. */
function likelyKey(dict: PickledDict, prefix: string, names: TensorNames): string | undefined {
  const inside: string[] = [];
  for (const [key, value] of dict) {
    const text = keyText(key);
    if (names.has(prefix + text)) return undefined;
    if (names.below(prefix + text) > 0 && dictOf(value) !== undefined) inside.push(text);
  }
  if (inside.length < 2) return inside[0];
  const said = dict.get("model_key");
  return [...typeof said === "string" ? [said] : [], ...STATE_KEYS].find((key) => inside.includes(key));
}

/** What is in a dict beside one of its keys; without the key, what in it is no tensor and holds none. */
function remains(
  dict: PickledDict | undefined,
  prefix: string,
  names: TensorNames,
  chosen?: string,
): string[] {
  return [...dict?.keys() ?? []].flatMap((key) => {
    const text = keyText(key);
    const count = Number(names.has(prefix + text)) + names.below(prefix + text);
    if (chosen === undefined ? count > 0 : text === chosen) return [];
    return [prefix + text + (count > 0 ? ` (${count} ${count === 1 ? "tensor" : "tensors"})` : "")];
  });
}

/** What a user should be told of what is left out, if anything is. */
export function leftOutNotes(leftOut: readonly string[]): string[] {
  if (leftOut.length === 0) return [];
  return [`left out: ${leftOut.length > NAMED ? someOf(leftOut, NAMED) : listed(leftOut, "and")}`];
}
