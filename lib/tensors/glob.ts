/** Patterns of names: `*` stands for any characters, dots among them, and `?` for one. */

/** A pattern, taken apart: whether a name is of it, and what its `*` and `?` stand for there. */
export function glob(pattern: string): (name: string) => readonly string[] | undefined {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (character) => {
    if (character === "*") return "(.*)";
    return character === "?" ? "(.)" : `\\${character}`;
  });
  const expression = new RegExp(`^${source}$`, "su");
  return (name) => expression.exec(name)?.slice(1);
}

/** Puts what the `*` and `?` of a pattern stood for in the place of those of another one, in order. */
export function fillGlob(pattern: string, found: readonly string[]): string {
  let next = 0;
  return pattern.replace(/[*?]/g, () => found[next++] ?? "");
}

/** The number of `*` and `?` in a pattern. */
export function wildcards(pattern: string): number {
  return pattern.replace(/[^*?]/g, "").length;
}
