/** Text that goes to a terminal, whoever it is from: names in a file, a path, a library's message. */

/** What a terminal obeys instead of showing it, and what turns the direction of the text around it. */
// deno-lint-ignore no-control-regex -- Control characters must not reach the terminal.
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const UNSAFE_RUNS = new RegExp(`${UNSAFE.source}+`, "g");
const UNSAFE_BUT_LINES = new RegExp(UNSAFE.source.replace("\\x00-\\x1f", "\\x00-\\x09\\x0b-\\x1f"), "g");

/** A text as one line that does nothing but show. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE_RUNS, " ");
}

/** A text of several lines that does nothing but show. */
export function plainLines(text: string): string {
  return text.replace(UNSAFE_BUT_LINES, " ");
}

/** A value as indented JSON that a terminal shows as it is, and programs read as any other. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    UNSAFE_BUT_LINES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same, with each list of numbers, such as a shape, on one line. */
export function compactJson(value: unknown): string {
  // In JSON no text has a line break in it.
  return plainJson(value).replace(
    /\[\n\s+(\d[\d,\s]*?)\n\s+\]/g,
    (_, numbers: string) => `[${numbers.split(/,\s+/).join(", ")}]`,
  );
}
