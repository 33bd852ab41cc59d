import { assert, assertEquals } from "@std/assert";
import { llamaArchitectures } from "../../../lib/models/llama/architectures.ts";
import {
  fairseq2IntermediateSize,
  referenceIntermediateSize,
  shortestMultiplier,
} from "../../../lib/models/llama/intermediate_size.ts";

const golden: {
  reference: [dim: number, multiplier: number | null, multipleOf: number, width: number][];
  fairseq2: [innerDim: number, scale: number, multipleOf: number, width: number][];
} = JSON.parse(Deno.readTextFileSync(new URL("../../../fixtures/llama/ffn_widths.json", import.meta.url)));

Deno.test("referenceIntermediateSize() computes what transformers' script computes", () => {
  assert(golden.reference.length > 300);
  for (const [dim, multiplier, multipleOf, width] of golden.reference) {
    assertEquals(
      referenceIntermediateSize(dim, multipleOf, multiplier ?? undefined),
      width,
      `${dim} ${multiplier} ${multipleOf}`,
    );
  }
});

Deno.test("fairseq2IntermediateSize() computes the width of fairseq2's own module", () => {
  assertEquals(golden.fairseq2.length, 300);
  for (const [innerDim, innerDimScale, multipleOf, width] of golden.fairseq2) {
    assertEquals(
      fairseq2IntermediateSize({ innerDim, innerDimScale, innerDimMultiplier: 1, multipleOf }),
      width,
    );
  }
});

Deno.test("fairseq2IntermediateSize() cuts off after the multiplier and after the scale", () => {
  // 10 · 1.55 = 15.5 → 15; 15 · 0.5 = 7.5 → 7, where 15.5 · 0.5 would be 7.75 and 10 · 0.775 the same.
  assertEquals(
    fairseq2IntermediateSize({ innerDim: 10, innerDimScale: 0.5, innerDimMultiplier: 1.55, multipleOf: 1 }),
    7,
  );
  // 3 · 1.4 = 4.2 → 4; 4 · 1.25 = 5, where 4.2 · 1.25 = 5.25 is rounded up to 6.
  assertEquals(
    fairseq2IntermediateSize({ innerDim: 3, innerDimScale: 1.25, innerDimMultiplier: 1.4, multipleOf: 5 }),
    5,
  );
});

Deno.test("shortestMultiplier() gives the published multiplier of every architecture", () => {
  for (const { name, dim, multipleOf, intermediateSize, ffnDimMultiplier } of llamaArchitectures) {
    assertEquals(shortestMultiplier(dim, multipleOf, intermediateSize), ffnDimMultiplier, name);
  }
  assertEquals(shortestMultiplier(4096, 1024, 14336), 1.3);
  assertEquals(shortestMultiplier(2048, 256, 8192), 1.5);
  assertEquals(shortestMultiplier(16384, 4096, 53248), 1.2);
  assertEquals(shortestMultiplier(8192, 4096, 28672), 1.3); // 1.2 gives the same width
  assertEquals(shortestMultiplier(3072, 256, 8192), 1);
});

Deno.test("shortestMultiplier() finds what trying all decimals in turn finds", () => {
  let tried = 0;
  for (const [dim, multiplier, multipleOf, width] of golden.reference) {
    if (width === 0 || decimals(multiplier ?? 1) > 3) continue;
    assertEquals(
      shortestMultiplier(dim, multipleOf, width),
      tryAll(dim, multipleOf, width),
      `${dim} ${width}`,
    );
    tried++;
  }
  assert(tried > 150);
});

Deno.test("shortestMultiplier() finds a multiplier for every width that one gave", () => {
  for (const [dim, multiplier, multipleOf, width] of golden.reference) {
    if (width === 0) continue;
    const found = shortestMultiplier(dim, multipleOf, width);
    if (found === undefined) throw new Error(`${dim} ${multipleOf} ${width}`);
    assertEquals(referenceIntermediateSize(dim, multipleOf, found), width);
    assert(found === 1 || decimals(found) <= decimals(multiplier ?? 1), `${found} for ${multiplier}`);
  }
});

/** Tries 1, then all numbers without decimals, with one, two and three. */
function tryAll(dim: number, multipleOf: number, width: number): number | undefined {
  if (referenceIntermediateSize(dim, multipleOf, 1) === width) return 1;
  const ratio = width / Math.trunc(8 * dim / 3);
  for (let decimals = 0; decimals <= 3; decimals++) {
    const fitting: number[] = [];
    for (let i = 1; i <= (ratio + 1) * 10 ** decimals; i++) {
      const multiplier = Number((i / 10 ** decimals).toFixed(decimals));
      if (referenceIntermediateSize(dim, multipleOf, multiplier) === width) fitting.push(multiplier);
    }
    fitting.sort((a, b) => Math.abs(a - ratio) - Math.abs(b - ratio));
    if (fitting.length > 0) return fitting[0];
  }
  return undefined;
}

Deno.test("shortestMultiplier() takes the closest to the width's ratio of those that are as short", () => {
  // dim 30: 80 before the multiplier. 160 with multiples of 40 comes of 1.6 to 2.0; 2 has no decimals.
  assertEquals(shortestMultiplier(30, 40, 160), 2);
  // 200 comes of 2.1 to 2.5.
  assertEquals(shortestMultiplier(30, 40, 200), 2.5);
  // 60 with multiples of 30 comes of 0.4 to 0.7 (0.4 · 80 = 32); 60 / 80 = 0.75, and 0.8 gives 64.
  assertEquals(shortestMultiplier(30, 30, 60), 0.7);
});

Deno.test("shortestMultiplier() gives as many decimals as it takes", () => {
  // dim 30000: 80000 before the multiplier; each row counts.
  assertEquals(shortestMultiplier(30000, 1, 100001), 1.25002);
  assertEquals(shortestMultiplier(30000, 1, 99999), 1.24999);
});

Deno.test("shortestMultiplier() gives nothing where no multiplier gives the width", () => {
  assertEquals(shortestMultiplier(4096, 256, 11000), undefined); // no multiple of 256
  assertEquals(shortestMultiplier(4096, 256, 0), undefined);
  assertEquals(shortestMultiplier(4096, 256, -256), undefined);
});

/** The digits after the point of a number below 1e21. */
function decimals(value: number): number {
  return String(value).split(".")[1]?.length ?? 0;
}
