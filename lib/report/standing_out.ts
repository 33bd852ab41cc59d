/** The tensors that one should look at first. */

import type { TensorMovement } from "../inspect/movement.ts";
import type { TensorStatistics } from "../inspect/statistics.ts";
import { breakable, escaped, shortNumber } from "./html.ts";

/** How many are listed; the table has all of them. */
const MOST = 10;

/** What is wrong with tensors by themselves: NaN, infinities, rows of nothing but zeros. */
export function standingOut(statistics: readonly TensorStatistics[]): string {
  const found = statistics.flatMap((tensor, row) => {
    const problems = problemsOf(tensor);
    return problems.length === 0 ? [] : [{ row, name: tensor.name, text: problems.join("; ") }];
  });
  return found.length === 0 ? `<p>Every number is finite, and no row is all zeros.</p>` : list(found);
}

function problemsOf({ count, nan, inf, firstNan, firstInf, zeros, zeroRows }: TensorStatistics): string[] {
  const at = (index: readonly number[] | null) =>
    index === null ? "" : `, the first at [${index.join(", ")}]`;
  return [
    ...nan ? [`${shortNumber(nan)} NaN${at(firstNan)}`] : [],
    ...inf ? [`${shortNumber(inf)} infinite${at(firstInf)}`] : [],
    ...zeros === count && count > 0
      ? ["all zeros"]
      : zeroRows
      ? [`${shortNumber(zeroRows)} row${zeroRows === 1 ? "" : "s"} of zeros`]
      : [],
  ];
}

/** The tensors that moved furthest, for their size. */
export function movedMost(movements: readonly TensorMovement[]): string {
  const moved = movements.flatMap(({ name, relativeL2, maxAbsDiff, equalShare }, row) =>
    relativeL2 === null || relativeL2 === 0 ? [] : [{
      row,
      name,
      relativeL2,
      text: `${shortNumber(relativeL2)} of its norm, no number by more than ${shortNumber(maxAbsDiff!)}` +
        (equalShare === null ? "" : `, ${shortNumber(100 * equalShare)} % the same`),
    }]
  ).sort((a, b) => b.relativeL2 - a.relativeL2);
  return moved.length === 0 ? "<p>No tensor that both have moved.</p>" : list(moved);
}

function list(
  found: readonly { readonly row: number; readonly name: string; readonly text: string }[],
): string {
  const items = found.slice(0, MOST).map(({ row, name, text }) =>
    `<li><a href="#t${row}">${breakable(name)}</a> ${escaped(text)}</li>`
  );
  const more = found.length - items.length;
  return `<ul class="out">${items.join("")}</ul>${more > 0 ? `<p>and ${more} more, in the table</p>` : ""}`;
}
