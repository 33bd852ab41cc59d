/** Texts from files, as a page may hold them: nothing in them runs, is hidden, or turns what is beside it around. */

/** The longest text that is shown whole, in UTF-16 units: the names of published models have 70. */
const MOST_SHOWN = 240;

/** Controls, whatever turns the direction of text around or isn't seen, and halves of surrogate pairs. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as people can read it: cut in the middle where it is long, characters that aren't seen by their numbers. */
export function visible(text: string, most = MOST_SHOWN): string {
  const left = Math.ceil((most - 1) * 2 / 3);
  const cut = text.length <= most ? text : `${text.slice(0, left)}…${text.slice(left + 1 - most)}`;
  return cut.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same as HTML, for an element or a quoted attribute. */
export function escaped(text: string, most?: number): string {
  return visible(text, most).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** A name or a path that may be broken into lines behind its dots and slashes. */
export function breakable(text: string): string {
  return escaped(text).replace(/[./_](?=.)/g, "$&<wbr>");
}

/** A number for people, with four digits; the page has the number itself beside it. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) {
    return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  }
  const text = String(Number(value.toPrecision(4)));
  return Math.abs(value) < 1e-4 ? Number(text).toExponential() : text;
}
