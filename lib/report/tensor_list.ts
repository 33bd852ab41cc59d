/** Tensors as a table of HTML: whole without a script, sorted and filtered with one. */

import { breakable, escaped, shortNumber } from "./html.ts";

/** A column of the table. */
export interface Column<T> {
  readonly title: string;
  /** What a number of it means, where the title doesn't say. */
  readonly help?: string;
  /** What a tensor has there: a text, a number, or nothing. */
  readonly of: (tensor: T) => string | number | null | undefined;
  /** How a number is written for people; by default with four digits. */
  readonly format?: (value: number) => string;
}

/** Lays out a table. The first column is the tensors' names. */
export function tensorList<T>(tensors: readonly T[], columns: readonly Column<T>[]): string {
  // A column that has nothing in it is left out.
  columns = columns.filter(({ of }, at) =>
    at === 0 || tensors.some((tensor) => (of(tensor) ?? null) !== null)
  );
  const heads = columns.map(({ title, help, of }) => {
    const number = tensors.some((tensor) => typeof of(tensor) === "number") ? ' class="number"' : "";
    return `<th scope="col"${number}${help === undefined ? "" : ` title="${escaped(help)}"`}>${
      escaped(title)
    }</th>`;
  });
  const rows = tensors.map((tensor, i) =>
    `<tr id="t${i}">${columns.map((column, at) => cell(column, tensor, at === 0)).join("")}</tr>`
  );
  return `<div class="wide list" role="region" aria-label="Table of tensors" tabindex="0"><table id="tensors">` +
    `<thead><tr>${heads.join("")}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody></table></div>`;
}

function cell<T>({ of, format = shortNumber }: Column<T>, tensor: T, isName: boolean): string {
  const value = of(tensor);
  if (isName) return `<th scope="row">${breakable(String(value))}</th>`;
  if (value === null || value === undefined) return "<td></td>";
  if (typeof value === "string") return `<td>${escaped(value)}</td>`;
  return `<td><data value="${value}">${escaped(format(value))}</data></td>`;
}
