import { assertEquals, assertRejects } from "@std/assert";
import { bytes, concatRows, type View } from "../../lib/bytes/view.ts";
import { FileError } from "../../lib/error.ts";
import { areMatricesTied, QUICK_BYTES } from "../../lib/layouts/same_values.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { Random } from "../copy/_random.ts";
import { TempDir } from "../_temp.ts";
import { cases, openCase, wholeParameters } from "../convert/_layouts.ts";

/** Rows enough for two blocks. */
const ROWS = 1200;
const ROW_BYTES = 4000;
const BYTES = ROWS * ROW_BYTES;

function matrix(view: View, crc?: number, dtype = "float32"): Tensor {
  const type = dtypeOf(dtype);
  return tensorOfView(type, [view.rows, view.rowBytes / type.itemBytes], view, crc);
}

async function tied(embed: Tensor, projection: Tensor): Promise<boolean> {
  return await areMatricesTied(
    new Map([["decoder_frontend.embed.weight", embed], ["final_proj.weight", projection]]),
  );
}

Deno.test("areMatricesTied() compares bytes, wherever they lie, and trusts no checksum that is the same", async () => {
  using temp = new TempDir();
  const block = new Random(1).bytes(1 << 16);
  const content = new Uint8Array(3 * BYTES);
  for (let at = 0; at < content.length; at += BYTES) {
    for (let i = 0; i < BYTES; i += block.length) {
      content.set(block.subarray(0, Math.min(block.length, BYTES - i)), at + i);
    }
  }
  content[3 * BYTES - 1]! ^= 1; // The third copy differs in its last byte.
  Deno.writeFileSync(temp.at("in"), content);
  const copy = (index: number) => bytes(temp.at("in"), index * BYTES, ROWS, ROW_BYTES);
  const first = matrix(copy(0));
  assertEquals(await tied(first, first), true);
  assertEquals(await tied(first, { ...first }), true);
  assertEquals(await tied(first, matrix(copy(1))), true);
  assertEquals(await tied(first, matrix(copy(2))), false);
  assertEquals(await tied(matrix(copy(0), 5), matrix(copy(1), 5)), true);
  assertEquals(await tied(matrix(copy(0), 5), matrix(copy(2), 5)), false);
  const apart = concatRows([
    bytes(temp.at("in"), BYTES, 500, ROW_BYTES),
    bytes(temp.at("in"), 500 * ROW_BYTES, 700, ROW_BYTES),
  ]);
  assertEquals(await tied(first, matrix(apart)), true);
});

Deno.test("areMatricesTied() reads nothing where it needn't", async () => {
  const view = bytes("missing", 0, 4, 8);
  const other = bytes("missing", 32, 4, 8);
  assertEquals(await tied(matrix(view, 1), matrix(other, 2)), false);
  assertEquals(await tied(matrix(view), matrix(bytes("missing", 0, 8, 4))), false);
  assertEquals(await tied(matrix(view), matrix(view, undefined, "int32")), false);
  const { storage, ...rest } = matrix(view);
  assertEquals(await tied({ storage, ...rest }, { storage, ...rest }), true);
  assertEquals(await areMatricesTied(new Map([["final_proj.weight", matrix(view)]])), false);
  await assertRejects(() => tied(matrix(view), matrix(other)), FileError, "missing: cannot open the file");
});

Deno.test("areMatricesTied() looks quickly where a plan is only shown: it trusts checksums, and reads megabytes", async () => {
  const quick = (a: Tensor, b: Tensor) =>
    areMatricesTied(
      new Map([["decoder_frontend.embed.weight", a], ["final_proj.weight", b]]),
      "quick",
    );
  const far = 1 << 30;
  const nowhere = (offset: number) => bytes("missing", offset, 4, 8);
  assertEquals(await quick(matrix(nowhere(0), 1), matrix(nowhere(far), 1)), true);
  assertEquals(await quick(matrix(nowhere(0), 1), matrix(nowhere(far), 2)), false);
  using temp = new TempDir();
  const rows = QUICK_BYTES / 4096 + 1;
  const half = rows * 4096;
  const content = new Uint8Array(2 * half);
  Deno.writeFileSync(temp.at("in"), content);
  const tensor = (index: number) => matrix(bytes(temp.at("in"), index * half, rows, 4096));
  using file = Deno.openSync(temp.at("in"), { write: true });
  const differAt = async (place: number) => {
    file.seekSync(half + place, Deno.SeekMode.Start);
    file.writeSync(Uint8Array.of(1));
    return [await quick(tensor(0), tensor(1)), await tied(tensor(0), tensor(1))];
  };
  assertEquals(await differAt(half - 1), [true, false]);
  assertEquals(await differAt(QUICK_BYTES - 1), [false, false]);
});

for (const name of cases) {
  Deno.test(`areMatricesTied() finds the one checkpoint that is tied: ${name}`, async () => {
    assertEquals(await areMatricesTied(wholeParameters(await openCase(name))), name.endsWith("tied"));
  });
}
