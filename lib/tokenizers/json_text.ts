/**
 * JSON as serde_json's pretty printer writes it, two spaces a level, for the long lists of a
 * `tokenizer.json`. It is what `JSON.stringify` prints with an indent of 2, but for the order of keys: a
 * plain object would put tokens like "2024" first.
 */

/** How much text is gathered before it is encoded, in UTF-16 units. */
const BATCH_UNITS = 1 << 16;

/** Gathers a long text as UTF-8. */
export class TextBuilder {
  readonly #parts: Uint8Array[] = [];
  readonly #encoder = new TextEncoder();
  #pending: string[] = [];
  #units = 0;

  /** Appends a text, which must not end between two surrogates. */
  append(text: string): void {
    this.#pending.push(text);
    this.#units += text.length;
    if (this.#units >= BATCH_UNITS) this.#flush();
  }

  /** Appends items with a comma and a line break between them, and nothing after the last one. */
  appendItems(items: Iterable<string>): void {
    let separator = "";
    for (const item of items) {
      this.append(separator + item);
      separator = ",\n";
    }
  }

  /** The text so far, in UTF-8, as parts that follow one another. */
  toParts(): readonly Uint8Array[] {
    this.#flush();
    return this.#parts;
  }

  #flush(): void {
    if (this.#units === 0) return;
    this.#parts.push(this.#encoder.encode(this.#pending.join("")));
    this.#pending = [];
    this.#units = 0;
  }
}

/** Prints a value that isn't empty, behind a margin, without the bracket or brace that closes it: it goes on. */
export function openJson(value: object, margin = ""): string {
  const text = JSON.stringify(value, null, 2);
  return text.slice(0, text.lastIndexOf("\n")).replaceAll("\n", `\n${margin}`);
}
