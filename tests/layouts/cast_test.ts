import { assertEquals, assertThrows } from "@std/assert";
import { bytes, MAX_ROW_BYTES } from "../../lib/bytes/view.ts";
import { FormatError } from "../../lib/error.ts";
import { castTensor } from "../../lib/layouts/cast.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { tensorOfView } from "../../lib/tensor/tensor.ts";

Deno.test("castTensor() refuses rows that are too long to convert, and takes the longest", () => {
  const most = MAX_ROW_BYTES / 4;
  const matrix = (columns: number) =>
    tensorOfView(dtypeOf("bfloat16"), [2, columns], bytes("x", 0, 2, 2 * columns));
  assertEquals(castTensor(matrix(most), "float32", "w").shape, [2, most]);
  assertThrows(
    () => castTensor(matrix(most + 1), "float32", "w"),
    FormatError,
    `w: has rows of ${most + 1} numbers, which are too long to convert from bfloat16 to float32`,
  );
  assertEquals(castTensor(matrix(most + 1), "float16", "w").shape, [2, most + 1]);
});
