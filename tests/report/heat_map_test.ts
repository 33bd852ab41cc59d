/** Which colours the cells of a map have. */

import { assertEquals } from "@std/assert";
import { loadChartTools } from "../../lib/deps.ts";
import { heatMaps, type Measure } from "../../lib/report/heat_map.ts";

/** The colours of one kind's cells, layer by layer, where its tensors have these numbers. */
async function shades(numbers: readonly number[]): Promise<number[]> {
  const tensors = numbers.map((number, i) => ({ name: `layers.${i}.weight`, number }));
  const measure: Measure<{ number: number }> = {
    title: "Number",
    help: "It.",
    of: ({ number }) => number,
    scale: "magnitude",
  };
  const html = heatMaps(await loadChartTools(), tensors, [measure]);
  return [...html.matchAll(/fill="var\(--h(\d)\)"/g)].map(([, shade]) => Number(shade));
}

Deno.test("cells whose numbers are nearly equal look alike, and others as far apart as they are", async () => {
  assertEquals(new Set(await shades([0.0199, 0.02, 0.0201, 0.02])), new Set([4]));
  assertEquals(await shades([0.01, 0.1, 1]), [0, 4, 8]);
  assertEquals(await shades([1, 1.3]), [2, 6]);
});
