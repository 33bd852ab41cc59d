/** Pages about the largest published model, 405B in eight shards, as sparse files. */

import { assert, assertEquals } from "@std/assert";
import { inspect } from "../../lib/inspect/mod.ts";
import { renderReport } from "../../lib/report/mod.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";
import { TempDir } from "../_temp.ts";
import { browserTest, readTable } from "./_browser.ts";

/** The most bytes of a page. */
const MOST_BYTES = 5_000_000;

browserTest("pages about a 405B are no larger than 5 MB, with a row for each tensor", async (browser) => {
  using temp = new TempDir();
  const input = temp.at("405b");
  makeCheckpoint({ model: "llama3_1_405b", shards: 8, fill: "sparse", directory: input });
  const inspection = await inspect(input);
  const { tensors } = inspection;
  assertEquals(tensors.length, 126 * 9 + 3);
  const title = "405b";
  // Numbers as long as any, so that the page is as large as it can be.
  const long = (i: number) => -Math.sqrt(i + 2) / 1000;
  const counts = Array.from({ length: 48 }, (_, i) => Math.round(1e8 * Math.exp(-((i - 30) ** 2) / 40)));
  const statistics = tensors.map(({ name, dtype, shape }, i) => ({
    ...{ name, dtype, shape, count: shape.reduce((product, size) => product * size, 1) },
    ...{
      min: long(i),
      max: -long(i),
      mean: long(i + 1),
      std: -long(i + 2),
      l2: -long(i + 3),
      absMax: -long(i),
    },
    ...{ zeros: 1234567 + i, subnormals: i, nan: 0, inf: 0, negativeInf: 0, firstNan: null, firstInf: null },
    ...{
      zeroRows: i % 7,
      histogram: { firstExponent: -40, negative: counts, positive: counts.map((n) => n + i) },
    },
  }));
  const movements = statistics.map(({ name, dtype, shape, count, std }) => ({
    ...{
      name,
      dtypes: [dtype, dtype] as const,
      shape,
      count,
      maxAbsDiff: std,
      relativeL2: std,
      cosine: 1 - std,
    },
    ...{ equalShare: std, l2Diff: std, l2: [std, 2 * std] as const, nonFinite: 0 },
  }));
  const side = { path: input, kind: "fairseq2 0.2–0.4" };
  const comparison = {
    equal: false,
    a: side,
    b: side,
    tensors: tensors.length,
    differences: [],
    notes: [],
    statistics: movements,
  };
  for (
    const report of [{ title, inspection }, { title, inspection, statistics }, { comparison }]
  ) {
    const page = await renderReport(report);
    assert(page.length < MOST_BYTES, `${Object.keys(report)}: ${page.length}`);
    Deno.writeTextFileSync(temp.at("page.html"), page);
    const opened = await browser.open(temp.at("page.html"));
    assertEquals((await readTable(opened.page)).rows.length, tensors.length);
    assertEquals(opened.trouble, []);
  }
});
