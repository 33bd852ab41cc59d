import { assertEquals } from "@std/assert";
import { crc32 } from "../../lib/copy/crc32.ts";
import { createKernel } from "../../lib/copy/kernel.ts";
import { openKernelFile } from "../../lib/bytes/kernel_file.ts";
import { bytes, cast, type CastType, castTypeBytes } from "../../lib/bytes/view.ts";
import { TempDir } from "../_temp.ts";

/** Every number of 16 bits, `times` times over, in another format; `blockBytes` at a time. */
function castAll(path: string, from: CastType, to: CastType, times: number, blockBytes: number) {
  const rows = 65536 * times;
  const kernel = createKernel({ open: openKernelFile, crc32 }, blockBytes);
  const target = `${path}.out`;
  Deno.writeFileSync(target, new Uint8Array(rows * castTypeBytes(to)));
  const view = cast(bytes(path, 0, rows, 2), from, to);
  const chunk = { view, path: target, at: 0, firstRow: 0, rows, group: 1 };
  const { infinities, nans } = kernel.run(chunk, () => {});
  kernel.close();
  return { written: Deno.readFileSync(target), infinities, nans };
}

// The numbers one by one are compared with torch's in kernel_test.ts; large blocks look them up instead.
for (const from of ["float16", "bfloat16"] as const) {
  for (const to of ["float16", "bfloat16", "float32"] as const) {
    if (from === to) continue;
    Deno.test(`createKernel() casts ${from} to ${to} by looking numbers up as it does one by one`, () => {
      using temp = new TempDir();
      const path = temp.at("numbers");
      const all = Uint16Array.from({ length: 65536 * 3 }, (_, i) => (i * 40503) & 0xffff);
      Deno.writeFileSync(path, new Uint8Array(all.buffer));
      const slow = castAll(path, from, to, 3, 4096);
      const fast = castAll(path, from, to, 3, 1 << 22);
      assertEquals([fast.infinities, fast.nans], [slow.infinities, slow.nans]);
      assertEquals(crc32(fast.written), crc32(slow.written));
      // Three times all NaNs of either sign.
      assertEquals(slow.nans, 3 * 2 * (from === "float16" ? 1023 : 127));
      assertEquals(slow.infinities > 0, from === "bfloat16" && to === "float16");
    });
  }
}
