/** What is wrong with numbers. */

import type { TensorStatistics } from "./statistics.ts";

/** What is wrong with the numbers of a tensor. */
export type DamagedValues = Pick<TensorStatistics, "name" | "nan" | "inf" | "firstNan" | "firstInf">;

/** Whether some of a tensor's numbers are none, or infinite. */
export function hasDamage({ nan, inf }: Pick<TensorStatistics, "nan" | "inf">): boolean {
  return (nan ?? 0) + (inf ?? 0) > 0;
}

/** What is wrong, in words: `3 NaN, the first at [12, 408]; 1 Inf, at [0, 3]`. */
export function describeDamage({ nan, inf, firstNan, firstInf }: DamagedValues): string {
  const part = (count: number | null, what: string, first: readonly number[] | null) =>
    (count ?? 0) === 0 || first === null
      ? []
      : [`${count} ${what}, ${count === 1 ? "" : "the first "}at [${first.join(", ")}]`];
  return [...part(nan, "NaN", firstNan), ...part(inf, "Inf", firstInf)].join("; ");
}
