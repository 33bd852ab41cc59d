/** The two sides of a comparison, and which of them is at fault where it fails. */

import type { Target } from "../convert/target.ts";
import { CancelledError, CheckpointError, FormatError } from "../error.ts";
import { noModel } from "../layouts/fairseq2/training_state.ts";
import { type Comparable, openByName, openComparable } from "./comparable.ts";
import { checkUnchanged } from "./unchanged.ts";

/**
 * Opens both sides: two models as models, anything else by the names of its tensors.
 *
 * @param from The layout where a directory holds checkpoints of several: of both, or of each.
 * @throws {FormatError} If one is a model, and the other is what a training saves beside one.
 * @throws {CheckpointError} If one can't be opened; the message begins with its side.
 */
export async function openSides(
  a: string,
  b: string,
  from: Target | readonly [a: Target, b: Target] | undefined,
): Promise<[a: Comparable, b: Comparable]> {
  const [fromA, fromB] = typeof from === "object" ? from : [from, from];
  const left = await of("a", () => openComparable(a, fromA));
  const right = await of("b", () => openComparable(b, fromB));
  if (left.isModel === right.isModel) return [left, right];
  const [other, side] = left.isModel ? [right, "b"] as const : [left, "a"] as const;
  // What a training saved beside a model has nothing that could be the same.
  if (other.state !== undefined) throw named(side, new FormatError(noModel(other.path, other.state)));
  // Names of a model's own layout are no names of other files.
  return [await of("a", () => openByName(a)), await of("b", () => openByName(b))];
}

/**
 * Finds out whether both sides stayed what they were.
 *
 * @throws {FileError} If a file was changed while it was read; the message begins with its side.
 */
export async function checkSidesUnchanged(left: Comparable, right: Comparable): Promise<void> {
  await of("a", () => checkUnchanged(left.sources, "compare"));
  await of("b", () => checkUnchanged(right.sources, "compare"));
}

/** Names the side, if it can be told, whose file an error says that it is about. Of a file that is both, `a` stands for it. */
export function nameSide(error: unknown, left: Comparable, right: Comparable): unknown {
  if (!(error instanceof CheckpointError)) return error;
  const isAbout = ({ sources }: Comparable) =>
    sources.some(({ path }) => error.message.startsWith(`${path}: `));
  return isAbout(left) ? named("a", error) : isAbout(right) ? named("b", error) : error;
}

async function of<T>(side: "a" | "b", work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CheckpointError && !(error instanceof CancelledError) ? named(side, error) : error;
  }
}

/** An error stays the one that it is, with all that it carries; only its message says more. */
function named(side: "a" | "b", error: CheckpointError): CheckpointError {
  error.message = `${side}: ${error.message}`;
  return error;
}
