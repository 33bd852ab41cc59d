/** Patterns of names: `*` stands for any characters, dots among them, and `?` for one. */

/**
 * A pattern, taken apart: whether a name is of it, and what its `*` and `?` stand for there. Each `*` stands for as much as
 * it can, the first ones first.
 *
 * The parts between `*` are looked for from the end, each as far behind as it can be. So none is looked for twice, and the
 * time is that of the name's length times the pattern's, whatever both are: names come from files.
 */
export function glob(pattern: string): (name: string) => readonly string[] | undefined {
  const parts = pattern.split("*").map((part) => [...part]);
  const [first, ...others] = parts as [string[], ...string[][]];
  return (name) => {
    const characters = [...name];
    const last = others.at(-1);
    let end = characters.length - (last?.length ?? 0);
    const isWhole = last === undefined && end !== first.length;
    if (isWhole || end < first.length || !fits(first, characters, 0)) return undefined;
    if (last !== undefined && !fits(last, characters, end)) return undefined;
    const places = last === undefined ? [] : [end];
    for (const part of others.slice(0, -1).reverse()) {
      for (end -= part.length; end >= first.length && !fits(part, characters, end);) end--;
      if (end < first.length) return undefined;
      places.unshift(end);
    }
    const found: string[] = [];
    let at = 0;
    for (const [i, part] of parts.entries()) {
      const place = i === 0 ? 0 : places[i - 1]!;
      if (i > 0) found.push(characters.slice(at, place).join(""));
      part.forEach((character, j) => character === "?" && found.push(characters[place + j]!));
      at = place + part.length;
    }
    return found;
  };
}

/** Whether a part of a pattern is what stands somewhere in a name. */
function fits(part: readonly string[], characters: readonly string[], at: number): boolean {
  return part.every((character, i) =>
    character === "?" ? at + i < characters.length : character === characters[at + i]
  );
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
