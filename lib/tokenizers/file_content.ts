/** What is in a file that is made here. */

/** The bytes of a file, as parts that follow one another. */
export type FileContent = readonly Uint8Array[];

/** A text as the content of a file. */
export function textContent(text: string): FileContent {
  return [new TextEncoder().encode(text)];
}
