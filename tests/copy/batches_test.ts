import { assertEquals } from "@std/assert";
import { bytes, reorderRows } from "../../lib/bytes/view.ts";
import { chunkRows, inBatches } from "../../lib/copy/batches.ts";

Deno.test("inBatches() fills batches up to a size, and with 64 chunks at most", () => {
  const sizes = (chunks: readonly number[]) => [...inBatches(chunks, (size) => size, 10)];
  assertEquals(sizes([]), []);
  assertEquals(sizes([4, 5, 1, 12, 3]), [[4, 5, 1], [12], [3]]);
  assertEquals(sizes(Array(130).fill(0)).map(({ length }) => length), [64, 64, 2]);
});

Deno.test("inBatches() asks for no chunk before its batch is wanted", () => {
  const asked: number[] = [];
  function* chunks() {
    for (const size of [10, 10, 10]) {
      asked.push(size);
      yield size;
    }
  }
  const batches = inBatches(chunks(), (size) => size, 10);
  batches.next();
  assertEquals(asked.length, 1);
});

Deno.test("chunkRows() takes as many rows as fit of the widest view, in whole groups", () => {
  const [narrow, wide] = [bytes("a", 0, 100, 2), bytes("a", 0, 100, 4)];
  assertEquals(chunkRows([narrow], 42), { step: 21, group: 1 });
  assertEquals(chunkRows([narrow, wide], 42), { step: 10, group: 1 });
  assertEquals(chunkRows([wide], 1), { step: 1, group: 1 });
  assertEquals(chunkRows([reorderRows(wide, [1, 0, 3, 2]), narrow], 42), { step: 8, group: 4 });
});
