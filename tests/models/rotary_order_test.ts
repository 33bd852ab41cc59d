import { assertEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { reorderHeads, rowsForHuggingFace, rowsFromHuggingFace } from "../../lib/models/rotary_order.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { readTensorBytes } from "../../lib/tensor/read_values.ts";
import { tensorOfView } from "../../lib/tensor/tensor.ts";
import { TempDir } from "../_temp.ts";

Deno.test("rowsForHuggingFace() takes the first rows of all pairs, then the second ones", () => {
  assertEquals(rowsForHuggingFace(2), [0, 1]);
  assertEquals(rowsForHuggingFace(8), [0, 2, 4, 6, 1, 3, 5, 7]);
});

Deno.test("rowsFromHuggingFace() puts the two rows of a pair side by side", () => {
  assertEquals(rowsFromHuggingFace(2), [0, 1]);
  assertEquals(rowsFromHuggingFace(8), [0, 4, 1, 5, 2, 6, 3, 7]);
});

Deno.test("rowsFromHuggingFace() undoes rowsForHuggingFace()", () => {
  for (const headDim of [2, 4, 6, 64, 128]) {
    const [there, back] = [rowsForHuggingFace(headDim), rowsFromHuggingFace(headDim)];
    assertEquals(back.map((row) => there[row]), Array.from({ length: headDim }, (_, row) => row));
  }
});

Deno.test("reorderHeads() reorders the rows of each head", () => {
  using temp = new TempDir();
  Deno.writeFileSync(temp.at("in"), Uint8Array.from({ length: 16 }, (_, i) => i));
  // Two heads of four rows; two columns.
  const tensor = tensorOfView(dtypeOf("uint8"), [8, 2], bytes(temp.at("in"), 0, 8, 2));
  const reordered = reorderHeads(tensor, rowsForHuggingFace(4));
  assertEquals([...readTensorBytes(reordered)], [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  assertEquals(reordered.shape, [8, 2]);
  // The way back is no way at all.
  assertEquals(reorderHeads(reordered, rowsFromHuggingFace(4)).storage.view, tensor.storage.view);
  assertEquals(reorderHeads(tensor, [0, 1]), tensor);
});
