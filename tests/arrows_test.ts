/**
 * Arrows point one way: a room imports from rooms below it, as CONTRIBUTING shows them. Imports of types count, too.
 */

import { assert, assertEquals } from "@std/assert";
import { relative } from "node:path";
import { dirname, join } from "../lib/deps.ts";

const LIB = join(import.meta.dirname!, "..", "lib");

/** The rooms, from the top down; those in one row may import each other one way. "" are the files beside them. */
const ROWS: readonly (readonly string[])[] = [
  ["cli"],
  ["report", "tensors"],
  ["inspect", "convert"],
  ["layouts", "tokenizers"],
  ["models"],
  ["torch", "safetensors", "gguf"],
  ["pickle", "tensor", "output"],
  ["copy"],
  ["bytes"],
  ["python"],
  [""],
];

function* filesIn(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = join(directory, name);
    if (isDirectory) yield* filesIn(path);
    else if (name.endsWith(".ts")) yield relative(LIB, path).replaceAll("\\", "/");
  }
}

/** Each file, with the files that it imports where a pattern says so. */
function importsBy(pattern: RegExp): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...filesIn(LIB)].sort().map((file) => {
      // Examples in comments import, too.
      const code = Deno.readTextFileSync(join(LIB, file)).replace(/^ *\*.*$/gm, "");
      const found = [...code.matchAll(pattern)]
        .map(([, path]) => relative(LIB, join(LIB, dirname(file), path!)).replaceAll("\\", "/"));
      return [file, found];
    }),
  );
}

/** Static imports, and those that wait until they are needed. */
const imports = importsBy(/(?:\bfrom|\bimport\(|^import)\s*"(\.[^"]+)"/gm);

function roomOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
}

/** A cycle in a graph, or `undefined`. */
function cycleIn(graph: ReadonlyMap<string, Iterable<string>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, above: readonly string[]): string[] | undefined => {
    if (above.includes(node)) return [...above.slice(above.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...above, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

Deno.test("all files are in a room that is known, and were read", () => {
  const rooms = new Set([...imports.keys()].map(roomOf));
  assertEquals([...rooms].filter((room) => !ROWS.flat().includes(room)), []);
  assert(imports.size > 150);
  assert([...imports.values()].flat().every((file) => imports.has(file)));
});

Deno.test("rooms import from rooms below them alone", () => {
  const row = (file: string) => ROWS.findIndex((rooms) => rooms.includes(roomOf(file)));
  const back = [...imports].flatMap(([file, others]) =>
    others.filter((other) => row(other) < row(file)).map((other) => `${file} → ${other}`)
  );
  assertEquals(back, []);
});

Deno.test("no room imports one that imports it", () => {
  const rooms = new Map<string, Set<string>>();
  for (const [file, others] of imports) {
    const from = rooms.get(roomOf(file)) ?? new Set();
    for (const other of others) if (roomOf(other) !== roomOf(file)) from.add(roomOf(other));
    rooms.set(roomOf(file), from);
  }
  assertEquals(cycleIn(rooms), undefined);
});

Deno.test("no file imports one that imports it, be it in its own room, or for a type", () => {
  // A command waits for what runs it, which knows the command.
  assertEquals(cycleIn(importsBy(/(?:\bfrom|^import)\s*"(\.[^"]+)"/gm)), undefined);
});

Deno.test("cycleIn() finds cycles", () => {
  assertEquals(cycleIn(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["b", "c", "b"]);
  assertEquals(cycleIn(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), undefined);
});
