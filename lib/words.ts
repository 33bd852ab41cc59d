/** Words of messages: lists, and texts that are short. */

/** Words as a sentence lists them. */
export function listed(words: readonly (string | number)[], conjunction: "and" | "or"): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} ${conjunction} ${words.at(-1)}`;
}

/** Some words, and how many more there are. */
export function someOf(words: readonly (string | number)[], most: number, separator = ", "): string {
  const more = words.length - most;
  return words.slice(0, most).join(separator) + (more > 0 ? ` and ${more} more` : "");
}

/** A text in quotes, on one line and not too long. */
export function quoted(text: string, maxCharacters = 40): string {
  return JSON.stringify(text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text);
}

/** A text as it is typed into a shell. It may come from a file, and people copy what a message tells them to type. */
export function forShell(text: string): string {
  return /^[\w.,/:=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A number in at most eight columns. */
export function shortNumber(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0) return "0";
  if (magnitude >= 1e-3 && magnitude < 1e5) {
    const digits = Number(value.toPrecision(3));
    return String(digits);
  }
  return value.toExponential(1);
}
