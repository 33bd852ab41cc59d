import type { SourceFile } from "../../lib/bytes/source.ts";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fingerprint, stampOf } from "../../lib/copy/fingerprint.ts";
import { isInPlace, type Overlay, type Plan } from "../../lib/copy/plan.ts";
import { bytes, memory, reorderRows } from "../../lib/bytes/view.ts";

const overlay: Overlay = { base: "base", size: 100, copies: [], literals: [] };

Deno.test("isInPlace() wants a run of the base at its own place", () => {
  const at = (view: Parameters<typeof reorderRows>[0]) =>
    isInPlace({ label: "x", at: 40, view, crc: 1 }, overlay);
  assertEquals(at(bytes("base", 40, 10)), true);
  assertEquals(at(bytes("base", 40, 5, 2)), true);
  assertEquals(at(bytes("base", 41, 10)), false);
  assertEquals(at(bytes("other", 40, 10)), false);
  assertEquals(at(reorderRows(bytes("base", 40, 4, 2), [1, 0])), false);
  // What literals say of it depends on its CRC-32.
  assertEquals(isInPlace({ label: "x", at: 40, view: bytes("base", 40, 10) }, overlay), false);
});

const source: SourceFile = {
  path: "f",
  realPath: "/in/f",
  size: 10,
  contents: "5a",
  mtime: 1,
  ctime: 2,
  dev: 3,
  ino: 4,
};

function plan(changes: Partial<Plan["files"][number]> = {}, sourceChanges: Partial<SourceFile> = {}): Plan {
  const file = {
    name: "out",
    size: 12,
    tensors: [],
    copies: [{ label: "a", at: 0, view: bytes("f", 0, 10), crc: 5 }],
    literals: [{ at: 10, bytes: Uint8Array.of(1, 2) }],
  };
  return {
    files: [{ ...file, ...changes }],
    sources: [{ ...source, ...sourceChanges }],
    known: [],
  };
}

Deno.test("fingerprint() is a SHA-256 that depends on all that the output depends on", () => {
  const mark = fingerprint(plan());
  assertMatch(mark, /^[0-9a-f]{64}$/);
  assertEquals(fingerprint(plan()), mark);
  const others = [
    plan({ name: "other" }),
    plan({ copies: [{ label: "a", at: 1, view: bytes("f", 0, 10), crc: 5 }] }),
    plan({ copies: [{ label: "a", at: 0, view: bytes("f", 0, 5, 2), crc: 5 }] }),
    plan({ copies: [{ label: "a", at: 0, view: bytes("g", 0, 10), crc: 5 }] }),
    plan({
      copies: [{ label: "a", at: 0, view: reorderRows(bytes("f", 0, 5, 2), [1, 0, 2, 4, 3]), crc: 5 }],
    }),
    plan({
      copies: [{ label: "a", at: 0, view: reorderRows(bytes("f", 0, 5, 2), [0, 1, 2, 4, 3]), crc: 5 }],
    }),
    plan({ copies: [{ label: "a", at: 0, view: memory(new Uint8Array(10), 2), crc: 5 }] }),
    plan({ copies: [{ label: "a", at: 0, view: memory(new Uint8Array(10).fill(1), 2), crc: 5 }] }),
    plan({ literals: [{ at: 10, bytes: Uint8Array.of(1, 3) }] }),
    plan({ literals: [{ at: 9, bytes: Uint8Array.of(1, 2) }] }),
    plan({ literals: [{ at: 10, bytes: Uint8Array.of(1) }, { at: 11, bytes: Uint8Array.of(2) }] }),
    plan({
      copies: [{ label: "a", at: 0, view: bytes("f", 0, 10), crc: 5, crcPlaces: [8] }],
      size: 12,
      literals: [{ at: 8, bytes: new Uint8Array(4) }],
    }),
    plan({}, { realPath: "/in/g" }),
    plan({}, { size: 11 }),
    plan({}, { contents: "5b" }),
    { ...plan(), files: [] },
    { ...plan(), files: [...plan().files, ...plan().files] },
  ];
  const marks = others.map(fingerprint);
  for (const other of marks) assertNotEquals(other, mark);
  assertEquals(new Set(marks).size, marks.length);
});

Deno.test("fingerprint() is the same from any directory and on any machine", () => {
  const at = (path: string, changes: Partial<SourceFile> = {}) => {
    const views = [bytes(path, 0, 10), reorderRows(bytes(path, 0, 5, 2), [1, 0, 2, 4, 3])];
    const copies = views.map((view) => ({ label: "a", at: 0, view }));
    const laidOver = { ...overlay, base: path };
    const [file] = plan({ copies }, {}).files;
    return fingerprint({
      ...plan({}, { path, ...changes }),
      files: [file!, { ...file!, overlay: laidOver }],
    });
  };
  const mark = at("f");
  assertEquals(at("../in/f"), mark);
  assertEquals(at("f", { mtime: 9, ctime: 9, dev: 9, ino: 9 }), mark);
  assertNotEquals(at("f", { realPath: "/in/g" }), mark);
});

Deno.test("stampOf() is of what the file system tells of sources without checksums", () => {
  const known = [{ label: "x", path: "f", offset: 0, length: 10, crc: 1 }];
  const of = (changes: Partial<SourceFile>) => stampOf(plan({}, changes));
  const stamps = [of({}), of({ mtime: 2 }), of({ mtime: null }), of({ ctime: 3 }), of({ ino: 5 })];
  assertEquals(new Set(stamps).size, stamps.length);
  // Machines number devices differently; and where checksums are known, the fingerprint says it all.
  assertEquals(of({ dev: 4 }), of({}));
  assertEquals(stampOf({ ...plan({}, { ino: 5 }), known }), stampOf({ ...plan(), known }));
});

Deno.test("stampOf() is never the same for a source that changed just now, whose times may stay if it changes again", () => {
  const at = (now: number, ctime: number | null = 5000) => stampOf(plan({}, { ctime }), now);
  for (const now of [4000, 5000, 5999, 6999]) assertNotEquals(at(now), at(now));
  assertNotEquals(at(9000, null), at(9000, null));
  assertEquals(at(7000), at(9000));
  // Where checksums are known, the times don't matter.
  const known = [{ label: "x", path: "f", offset: 0, length: 10, crc: 1 }];
  const of = () => stampOf({ ...plan({}, { ctime: 5000 }), known }, 5000);
  assertEquals(of(), of());
});

Deno.test("fingerprint() of a file that may be laid over its source depends on the source and the names", () => {
  const tensor = { from: "a", to: "b", dtype: "float32", shape: [2], bytes: 8 };
  const laidOver = (base: string, to: string) =>
    fingerprint(plan({ overlay: { ...overlay, base }, tensors: [{ ...tensor, to }] }));
  assertEquals(laidOver("f", "b"), laidOver("f", "b"));
  assertEquals(
    new Set([laidOver("f", "b"), laidOver("g", "b"), laidOver("f", "c"), fingerprint(plan())]).size,
    4,
  );
});
