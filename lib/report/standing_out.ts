/** The tensors that one should look at first. */

import type { TensorMovement } from "../inspect/movement.ts";
import { outstanding } from "../inspect/outstanding.ts";
import type { TensorStatistics } from "../inspect/statistics.ts";
import { breakable, escaped, shortNumber } from "./html.ts";

/** How many are listed; the table has all of them. */
const MOST = 10;

/** The tensors that stand out by themselves. */
export function standingOut(statistics: readonly TensorStatistics[]): string {
  const found = outstanding(statistics);
  if (found.length > 0) return list(found);
  return "<p>Every number is finite, and no tensor is unlike the others of its kind.</p>";
}

/** The tensors that moved: those with numbers that are none first, then the furthest, for their size. */
export function movedMost(movements: readonly TensorMovement[]): string {
  const moved = movements.flatMap(({ name, relativeL2, maxAbsDiff, equalShare, nonFinite }, index) => {
    const pairs = nonFinite
      ? [`${shortNumber(nonFinite)} ${nonFinite === 1 ? "pair" : "pairs"} with NaN or Inf`]
      : [];
    const distance = relativeL2 ?? (maxAbsDiff ? Infinity : 0); // From zeros, any distance is far.
    if (pairs.length === 0 && distance === 0) return [];
    const words = [
      ...pairs,
      ...relativeL2 ? [`${shortNumber(relativeL2)} of its norm`] : [],
      ...maxAbsDiff ? [`no number by more than ${shortNumber(maxAbsDiff)}`] : [],
      ...equalShare === null ? [] : [`${shortNumber(100 * equalShare)} % the same`],
    ];
    return [{ index, name, rank: pairs.length > 0 ? 1 : 0, distance, text: words.join(", ") }];
  }).sort((a, b) => b.rank - a.rank || (a.distance === b.distance ? 0 : b.distance - a.distance));
  return moved.length === 0 ? "<p>No tensor that both have moved.</p>" : list(moved);
}

function list(
  found: readonly { readonly index: number; readonly name: string; readonly text: string }[],
): string {
  const items = found.slice(0, MOST).map(({ index, name, text }) =>
    `<li><a href="#t${index}">${breakable(name)}</a> ${escaped(text)}</li>`
  );
  const more = found.length - items.length;
  return `<ul class="out">${items.join("")}</ul>${more > 0 ? `<p>and ${more} more, in the table</p>` : ""}`;
}
