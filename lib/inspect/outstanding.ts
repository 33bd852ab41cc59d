/** The tensors that one should look at first. */

import { shortNumber } from "../words.ts";
import { describeDamage, hasDamage } from "./damaged_values.ts";
import { splitLayer } from "./layer_names.ts";
import type { TensorStatistics } from "./statistics.ts";

/** Why a tensor stands out. */
export interface Outstanding {
  /** The tensor's place among the others. */
  readonly index: number;
  readonly name: string;
  readonly text: string;
  /** Whether something is wrong with it, rather than odd. */
  readonly isWrong: boolean;
}

/** A standard deviation that is so many times that of most layers, or so many times smaller, stands out. */
const FAR = 4;

/** The fewest tensors of a kind of which one can be unlike the others. */
const LEAST_OTHERS = 4;

/** The tensors that stand out: those with numbers that are none first, then those unlike others of their kind. */
export function outstanding(tensors: readonly TensorStatistics[]): Outstanding[] {
  const kinds = new Map<string, number[]>();
  const kindOf = (name: string) => {
    const { before, after } = splitLayer(name);
    return `${before}\n${after}`;
  };
  for (const { name, std } of tensors) {
    if (std === null || std === 0) continue;
    const kind = kinds.get(kindOf(name));
    if (kind === undefined) kinds.set(kindOf(name), [std]);
    else kind.push(std);
  }
  const medians = new Map(
    [...kinds].filter(([, stds]) => stds.length >= LEAST_OTHERS).map(([kind, stds]) => [kind, median(stds)!]),
  );
  const ranked: (Outstanding & { readonly rank: number })[] = [];
  tensors.forEach((tensor, index) => {
    const { name, std, count, zeros, zeroRows, subnormals } = tensor;
    const add = (rank: number, text: string) => ranked.push({ index, name, text, isWrong: rank < 2, rank });
    if (hasDamage(tensor)) add(0, describeDamage(tensor));
    if (count > 0 && zeros === count) add(1, "all zero");
    else if ((zeroRows ?? 0) > 0) add(2, `${zeroRows} row${zeroRows === 1 ? "" : "s"} all zero`);
    const most = medians.get(kindOf(name));
    if (most !== undefined && std !== null && std > 0) {
      const [ratio, which] = std > most ? [std / most, "larger"] : [most / std, "smaller"];
      if (ratio >= FAR) {
        add(3, `std ${shortNumber(std)}, ${shortNumber(ratio)} times ${which} than in most layers`);
      }
    }
    if ((subnormals ?? 0) * 2 > count) add(4, "most numbers are subnormal");
  });
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked;
}

/** The number in the middle. */
export function median(numbers: readonly number[]): number | undefined {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}
