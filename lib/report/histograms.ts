/** The numbers of each tensor by sign and exponent: one chart with all of them, of which the page shows one at a time. */

import type { ExponentHistogram } from "../inspect/statistics.ts";
import { type ChartTools, drawChart, type Shown } from "./chart.ts";

/** How many tensors have one: more than any published dense model has, and no more than a page can hold. */
const MOST_TENSORS = 4096;

interface Step extends Shown {
  readonly exponent: number;
  /** The share of the tensor's numbers. */
  readonly share: number;
}

/** Draws the chart: numbers above zero go up, those below go down. */
export function histograms(
  tools: ChartTools,
  tensors: readonly { readonly count: number; readonly histogram: ExponentHistogram | null }[],
): string {
  const { Plot } = tools;
  tensors = tensors.slice(0, MOST_TENSORS);
  const above = tensors.flatMap((tensor, row) => stepsOf(tensor, row, "positive", 1));
  const below = tensors.flatMap((tensor, row) => stepsOf(tensor, row, "negative", -1));
  if (above.length === 0) return "";
  const most = [...above, ...below].reduce((most, { share }) => Math.max(most, Math.abs(share)), 0);
  const rows = [...new Set(above.map(({ row }) => row))].map((row) => ({ row }));
  const outline = { x: "exponent", y: "share", z: "row", curve: "step-after", stroke: "none" } as const;
  return drawChart(
    tools,
    "Histogram of the tensor that is pointed at: the share of its numbers by exponent, those above zero upwards, those " +
      "below zero downwards.",
    {
      width: 440,
      height: 150,
      marginLeft: 48,
      marginRight: 8,
      marginTop: 6,
      marginBottom: 36,
      x: { label: "magnitude", labelArrow: "none", ticks: 5, tickFormat: power },
      y: {
        // So that few numbers are seen beside many, and all tensors by the same measure.
        type: "sqrt",
        domain: [-most, most],
        label: null,
        ticks: [-0.5, -0.1, 0, 0.1, 0.5].filter((tick) => Math.abs(tick) <= most),
        tickFormat: (share: number) => `${100 * Math.abs(share)} %`,
      },
      marks: [
        Plot.line(above, { ...outline, fill: "var(--k0)" }),
        Plot.line(below, { ...outline, fill: "var(--k1)" }),
        Plot.ruleY([0], { stroke: "var(--dim)" }),
      ],
    },
    [{ mark: "line", tensors: [...rows, ...rows], attribute: "data-of" }],
  );
}

function stepsOf(
  { count, histogram }: { readonly count: number; readonly histogram: ExponentHistogram | null },
  row: number,
  sign: "positive" | "negative",
  direction: 1 | -1,
): Step[] {
  if (histogram === null || histogram[sign].length === 0) return [];
  const { firstExponent, [sign]: counts } = histogram;
  // The outline comes from zero and goes back to it.
  return [0, ...counts, 0].map((number, i) => ({
    row,
    exponent: firstExponent + Math.max(0, i - 1),
    share: direction * number / count,
  }));
}

/** A power of two: `2⁻¹²`. */
function power(exponent: number): string {
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  return `2${
    [...String(exponent)].map((digit) => digit === "-" ? "⁻" : digits[Number(digit)] ?? digit).join("")
  }`;
}
