import { assertEquals } from "@std/assert";
import { formatBytes, formatCount, formatSeconds } from "../../lib/cli/format.ts";

Deno.test("formatBytes() gives three digits in decimal units", () => {
  const cases: readonly (readonly [bytes: number, text: string])[] = [
    [0, "0 B"],
    [1, "1 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [1234, "1.23 kB"],
    [9994, "9.99 kB"],
    [9996, "10.0 kB"],
    [12_345, "12.3 kB"],
    [99_940, "99.9 kB"],
    [99_960, "100 kB"],
    [123_456, "123 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [3_000_000_000, "3.00 GB"],
    [811_706_777_600, "812 GB"],
    [1_623_413_555_200, "1.62 TB"],
    [5e15, "5.00 PB"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
});

Deno.test("formatCount() counts in words", () => {
  assertEquals(formatCount(34080), "34080");
  assertEquals(formatCount(999_400), "999400");
  assertEquals(formatCount(999_600), "1.00 million");
  assertEquals(formatCount(1_235_814_400), "1.24 billion");
  assertEquals(formatCount(405_853_388_800), "406 billion");
  assertEquals(formatCount(12_300_000), "12.3 million");
  assertEquals(formatCount(1e12), "1.00 trillion");
});

Deno.test("formatSeconds() gives no more than matters", () => {
  const cases: readonly (readonly [seconds: number, text: string])[] = [
    [0, "0.0 s"],
    [0.84, "0.8 s"],
    [9.94, "9.9 s"],
    [9.96, "10 s"],
    [10.4, "10 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [60, "1 min"],
    [125, "2 min 5 s"],
    [3599.6, "1 h"],
    [3600, "1 h"],
    [3725, "1 h 2 min"],
    [90_000, "1 d 1 h"],
  ];
  for (const [seconds, text] of cases) assertEquals(formatSeconds(seconds), text);
});
