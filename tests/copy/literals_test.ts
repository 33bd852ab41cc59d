import { assertEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { completeLiterals } from "../../lib/copy/literals.ts";
import type { FileLayout } from "../../lib/copy/plan.ts";

Deno.test("completeLiterals() puts checksums at their places, and leaves the plan as it is", () => {
  const layout: FileLayout = {
    size: 40,
    copies: [
      { label: "a", at: 4, view: bytes("f", 0, 6), crcPlaces: [24, 10] },
      { label: "b", at: 14, view: bytes("f", 6, 6), crcPlaces: [20] },
      { label: "c", at: 30, view: bytes("f", 12, 10) },
    ],
    literals: [0, 10, 20].map((at) => ({ at, bytes: new Uint8Array(at === 20 ? 10 : 4).fill(9) })),
  };
  const before = structuredClone(layout);
  assertEquals(completeLiterals(layout, [0x01020304, 0xfffefdfc, 5]), [
    { at: 0, bytes: Uint8Array.of(9, 9, 9, 9) },
    { at: 10, bytes: Uint8Array.of(4, 3, 2, 1) },
    { at: 20, bytes: Uint8Array.of(0xfc, 0xfd, 0xfe, 0xff, 4, 3, 2, 1, 9, 9) },
  ]);
  assertEquals(layout, before);
});
