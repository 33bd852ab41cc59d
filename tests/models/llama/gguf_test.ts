import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { ConfigFields } from "../../../lib/models/config_fields.ts";
import type { FamilyModel } from "../../../lib/models/family.ts";
import { findModelCard } from "../../../lib/models/model_cards.ts";
import { llamaGguf } from "../../../lib/models/llama/gguf.ts";
import { PythonFloat } from "../../../lib/python/python_number.ts";

interface Row {
  readonly theta: number;
  readonly headDim: number;
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  readonly length: number;
  readonly bits: number[];
}

const rows: Row[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../../fixtures/gguf/rope_factors.json", import.meta.url)),
);

const { architecture: published } = findModelCard("llama3_2_1b");

function modelOf({ theta, headDim, factor, low, high, length }: Row) {
  return {
    ...published,
    ropeTheta: theta,
    headDim,
    heads: published.dim / headDim,
    kvHeads: 8,
    ropeScaling: { factor, lowFreqFactor: low, highFreqFactor: high, originalContextLength: length },
  };
}

/** What is written of a model, read again. */
function again(model: typeof published, ropeFactors = llamaGguf.write(model).ropeFactors): FamilyModel {
  const { fields, architecture } = llamaGguf.write(model);
  const plain = new Map(
    [...fields].map(([key, value]) => [key, value instanceof PythonFloat ? value.value : value]),
  );
  const { vocabSize, tied } = model;
  return llamaGguf.read(
    new ConfigFields("model.gguf", architecture, plain),
    { vocabSize, tied, ...(ropeFactors !== undefined && { ropeFactors }) },
    architecture,
  );
}

Deno.test("llamaGguf.write() computes the factors that llama.cpp's converter computes, bit for bit", () => {
  assert(rows.length >= 24);
  for (const row of rows) {
    const { ropeFactors } = llamaGguf.write(modelOf(row));
    assertEquals([...new Int32Array(ropeFactors!.buffer)], row.bits, JSON.stringify({ ...row, bits: 0 }));
  }
});

Deno.test("llamaGguf.read() finds the numbers of LLaMA 3.1's scaling in the factors", () => {
  for (const row of rows.filter(({ length, headDim }) => length === 8192 && headDim > 8)) {
    assertEquals(
      again(modelOf(row)).ropeScaling,
      modelOf(row).ropeScaling,
      JSON.stringify({ ...row, bits: 0 }),
    );
  }
  assertEquals(again({ ...published, ropeScaling: undefined }).ropeScaling, undefined);
  assertEquals(again(published, new Float32Array(32).fill(1)).ropeScaling, undefined);
});

Deno.test("llamaGguf.read() refuses factors that LLaMA 3.1's rule doesn't give", () => {
  const { ropeFactors } = llamaGguf.write(published);
  for (
    const [factors, message] of [
      [ropeFactors!.map((factor, i) => i === 17 ? factor * 1.01 : factor), "scales RoPE by other numbers"],
      [ropeFactors!.subarray(1), "has 31 numbers, but heads have 64 rows"],
      [new Float32Array(32).fill(NaN), "scales RoPE by other numbers"],
    ] as const
  ) {
    assertThrows(() => again(published, factors), ConfigError, `model.gguf: rope_freqs.weight: ${message}`);
  }
});
