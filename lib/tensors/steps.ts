/** Steps from named tensors to named tensors. Nothing is read or written. */

import { type CastType, castTypes } from "../bytes/view.ts";
import { MismatchError, OptionError } from "../error.ts";
import { isSamePlace } from "../layouts/cast.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import type { Storage } from "../tensor/tensor.ts";
import { quoted } from "../words.ts";
import { castTo } from "./cast_to.ts";
import { fillGlob, glob, wildcards } from "./glob.ts";
import { LazyTensor } from "./lazy_tensor.ts";

/** Tensors by name, in an order that is kept. */
export type NamedTensors = ReadonlyMap<string, LazyTensor>;

/**
 * Tensors under other names, in the same order.
 *
 * Names are given as a function of the old one, or as pairs from an old one to the new one. In an old name `*` stands for
 * any characters and `?` for one, and those of the new name for what they stood for, in order: `"model.*"` to `"*"`
 * removes a prefix. The first pair that fits counts; what none fits keeps its name.
 *
 * @example Usage
 * ```ts
 * import { renameTensors, tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const tensors = new Map([["model.a.q_proj", tensorOf(new Float32Array(1))], ["head", tensorOf(new Float32Array(1))]]);
 * const renamed = renameTensors(tensors, { "model.*.q_proj": "*.wq", "head": "output" });
 * assertEquals([...renamed.keys()], ["a.wq", "output"]);
 * ```
 *
 * @param tensors The tensors.
 * @param names The new name of each name; or pairs of old and new.
 * @returns The tensors by their new names.
 * @throws {OptionError} If a pair fits no tensor, or its new name has more `*` than the old one.
 * @throws {MismatchError} If two tensors would have one name.
 */
export function renameTensors(
  tensors: NamedTensors,
  names: ((name: string) => string) | ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): Map<string, LazyTensor> {
  const nameOf = typeof names === "function" ? names : renamer(tensors, names);
  const renamed = new Map<string, LazyTensor>();
  const before = new Map<string, string>();
  for (const [name, tensor] of tensors) {
    const to = nameOf(name);
    const other = before.get(to);
    if (other !== undefined) {
      throw new MismatchError(`${name} and ${other} would both be ${to}; give each a name of its own`);
    }
    before.set(to, name);
    renamed.set(to, tensor);
  }
  return renamed;
}

function renamer(
  tensors: NamedTensors,
  names: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): (name: string) => string {
  const pairs: [string, string][] = names instanceof Map ? [...names] : Object.entries(names);
  const rules = pairs.map(([from, to]) => {
    if (wildcards(to) > wildcards(from)) {
      throw new OptionError(
        `Can't rename ${quoted(from)} to ${quoted(to)}, which has more * or ? to fill in`,
      );
    }
    return { from, to, match: glob(from), isUsed: false };
  });
  const renamed = new Map<string, string>();
  for (const name of tensors.keys()) {
    for (const rule of rules) {
      const found = rule.match(name);
      if (found === undefined) continue;
      rule.isUsed = true;
      if (!renamed.has(name)) renamed.set(name, fillGlob(rule.to, found));
    }
  }
  checkUsed(rules, tensors);
  return (name) => renamed.get(name) ?? name;
}

/**
 * Some of the tensors, in the same order.
 *
 * @example Usage
 * ```ts
 * import { selectTensors, tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const tensors = new Map([["layers.0.w", tensorOf(new Float32Array(1))], ["rope.freqs", tensorOf(new Float32Array(1))]]);
 * assertEquals([...selectTensors(tensors, "layers.*").keys()], ["layers.0.w"]);
 * assertEquals([...selectTensors(tensors, (name) => !name.endsWith(".freqs")).keys()], ["layers.0.w"]);
 * ```
 *
 * @param tensors The tensors.
 * @param wanted Says which; or names, in which `*` stands for any characters and `?` for one.
 * @returns Those that are wanted.
 * @throws {OptionError} If a name fits no tensor.
 */
export function selectTensors(
  tensors: NamedTensors,
  wanted: ((name: string, tensor: LazyTensor) => boolean) | string | readonly string[],
): Map<string, LazyTensor> {
  if (typeof wanted === "function") {
    return new Map([...tensors].filter(([name, tensor]) => wanted(name, tensor)));
  }
  const rules = [wanted].flat().map((from) => ({ from, match: glob(from), isUsed: false }));
  const selected = [...tensors].filter(([name]) => {
    const fitting = rules.filter(({ match }) => match(name) !== undefined);
    for (const rule of fitting) rule.isUsed = true;
    return fitting.length > 0;
  });
  checkUsed(rules, tensors);
  return new Map(selected);
}

/** A pattern that fits nothing is a mistake. */
function checkUsed(
  rules: readonly { readonly from: string; readonly isUsed: boolean }[],
  tensors: NamedTensors,
): void {
  const unused = rules.find(({ isUsed }) => !isUsed);
  if (unused === undefined) return;
  const [first = "none"] = tensors.keys();
  throw new OptionError(
    `No tensor has a name that fits ${quoted(unused.from, 80)}; the first of the ${tensors.size} is ${first}`,
  );
}

/**
 * The tensors in another dtype, rounded to nearest even. As in torch's `module.to(dtype)`, those of integers and of `bool`
 * stay as they are. What is one tensor under two names stays one.
 *
 * @example Usage
 * ```ts
 * import { castTensors, tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const tensors = new Map([["w", tensorOf(new Float32Array([1 / 3]))], ["ids", tensorOf(new BigInt64Array(1))]]);
 * const cast = castTensors(tensors, "bfloat16");
 * assertEquals([...cast.values()].map(({ dtype }) => dtype), ["bfloat16", "int64"]);
 * assertEquals(await cast.get("w")!.read(), new Float32Array([0.333984375]));
 * ```
 *
 * @param tensors The tensors: of `float32`, `float16` or `bfloat16`, or of GGUF's Q8_0, Q4_0, Q4_1, Q5_0 or Q5_1.
 * @param to The dtype.
 * @returns The tensors; those that have the dtype are the same.
 * @throws {OptionError} If one is of other floats, or of a quantization that can't be undone.
 * @throws {FormatError} If one repeats the items of its storage to more than 64 MiB, or is quantized in rows of more than
 * a million numbers.
 */
export function castTensors(tensors: NamedTensors, to: CastType): Map<string, LazyTensor> {
  if (!castTypes.includes(to)) {
    throw new OptionError(`Can't cast to ${quoted(String(to))}; give one of ${castTypes.join(", ")}`);
  }
  const made = new Map<Storage, [LazyTensor, LazyTensor][]>();
  return new Map(Array.from(tensors, ([name, tensor]) => {
    const { dtype, storage } = tensor.description;
    if (dtype.name === to || isWhole(dtype.name)) return [name, tensor];
    const others = made.get(storage) ?? [];
    const before = others.find(([of]) => isSamePlace(of.description, tensor.description));
    if (before !== undefined) {
      const [of, cast] = before;
      if (of.description === tensor.description) return [name, cast];
      const { requiresGrad, isParameter } = tensor.description;
      return [name, new LazyTensor({ ...cast.description, requiresGrad, isParameter }, tensor.origin)];
    }
    const cast = new LazyTensor(castTo(tensor.description, to, name), tensor.origin);
    made.set(storage, [...others, [tensor, cast]]);
    return [name, cast];
  }));
}

/** Whether a dtype is of whole numbers, which no cast of a model changes. */
function isWhole(dtype: string): boolean {
  return /^u?int\d+$|^bool$/.test(dtype);
}

/** The quantized tensors among some, as the `float32` numbers that they stand for. */
export function dequantized(tensors: NamedTensors): Map<string, LazyTensor> {
  return new Map(Array.from(tensors, ([name, tensor]) => {
    if (quantizationOf(tensor.description.dtype) === undefined) return [name, tensor];
    return [name, new LazyTensor(castTo(tensor.description, "float32", name), tensor.origin)];
  }));
}
