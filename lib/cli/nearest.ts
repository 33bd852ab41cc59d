import { levenshteinDistance } from "../deps.ts";

/** What to add to an error about an unknown word: the one that few edits make of it, where there is one. */
export function didYouMean(word: string, known: readonly string[]): string {
  const [nearest] = known
    .map((each) => ({ each, distance: levenshteinDistance(word.slice(0, 100), each) }))
    .filter(({ each, distance }) => distance * 3 <= each.length)
    .sort((a, b) => a.distance - b.distance);
  return nearest === undefined ? "" : ` (did you mean ${nearest.each}?)`;
}
