/**
 * Files that mean harm, made as they are needed.
 *
 * @module
 */

import { ascii, global, pickle, repeat, text, u32 } from "../pickle/assemble.ts";
import { ggmlTypeOf } from "../../lib/gguf/ggml_types.ts";
import { layoutGguf } from "../../lib/gguf/layout.ts";
import type { GgufValue } from "../../lib/gguf/value.ts";
import { writePickle } from "../../lib/pickle/mod.ts";
import { renderArchive } from "../fuzz/_torch_mutator.ts";
import { fileOf } from "../safetensors/_files.ts";
import { concat, le } from "../torch/_zip.ts";

/** Short texts, all of them different. */
function texts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(1_000_000 + i));
}

/** A GGUF file with one value. */
function ggufWith(value: GgufValue): Uint8Array {
  return layoutGguf("m", new Map([["key", value]]), []).literals[0]!.bytes;
}

/** A torch file with this pickle. */
export function torchWith(data: Uint8Array): Uint8Array {
  return renderArchive([{ name: "data.pkl", bytes: data }], "m");
}

/** A file in torch's legacy format with this pickle, and no storages. */
export function legacyWith(data: Uint8Array): Uint8Array {
  const facts = new Map([["little_endian", true]]);
  const before = [0x1950a86a20f9469cfc6cn, 1001, facts].map((value) => writePickle(value));
  return join([...before, data, writePickle([])]);
}

/** A torch file with so many empty records of these names. */
export function torchOfRecords(count: number, name: (index: number) => string): Uint8Array {
  const records = Array.from({ length: count }, (_, i) => ({ name: name(i), bytes: new Uint8Array(0) }));
  return renderArchive([{ name: "data.pkl", bytes: pickle("EMPTY_DICT", "STOP") }, ...records], "m");
}

/** A zip of so many empty records of these full names, as no program of torch's writes it. */
export function zipOfRecords(count: number, name: (index: number) => string): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const path = encoder.encode(name(i));
    const local = concat(le([0x04034b50, 4], [20, 2], [0x0800, 2], [0, 18], [path.length, 2], [0, 2]), path);
    entries.push(concat(
      le([0x02014b50, 4], [0, 2], [20, 2], [0x0800, 2], [0, 18], [path.length, 2], [0, 12], [at, 4]),
      path,
    ));
    parts.push(local);
    at += local.length;
  }
  const directory = join(entries);
  return concat(
    join(parts),
    directory,
    le([0x06064b50, 4], [44, 8], [0, 12], [count, 8], [count, 8], [directory.length, 8], [at, 8]),
    le([0x07064b50, 4], [0, 4], [at + directory.length, 8], [1, 4]),
    le([0x06054b50, 4], [0, 4], [0xffff, 2], [0xffff, 2], [0xffffffff, 4], [0xffffffff, 4], [0, 2]),
  );
}

/** Joins parts, however many. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A list of so many times what some opcodes make. */
function listOf(count: number, ...parts: Parameters<typeof pickle>): Uint8Array {
  return torchWith(pickle("EMPTY_LIST", "MARK", repeat(count, ...parts), "APPENDS", "STOP"));
}

/** Strings that are integers, chosen to have hashes that end alike. */
export function collidingIndex(index: number): string {
  return String(1_000_013_824 + 65536 * index);
}

const longText = (bytes: number) =>
  pickle("BINUNICODE", u32(bytes), new Uint8Array(bytes - 2).fill(0x61), Uint8Array.of(0xc4, 0x80));

function header(text: string, data = 0): Uint8Array {
  return fileOf(text, new Uint8Array(data));
}

const tensors = (count: number) =>
  Array.from(
    { length: count },
    (_, i) => `"${i.toString(36)}":{"dtype":"U8","shape":[],"data_offsets":[${i},${i + 1}]}`,
  );

/** Small files that ask for much memory: what they are, how to open them, and how to make them. */
export const greedy: readonly (readonly [what: string, kind: string, make: () => Uint8Array])[] = [
  ["a million empty dicts", "torch", () => listOf(2 ** 20, "EMPTY_DICT")],
  [
    "a million empty dicts in the legacy format",
    "torch",
    () => legacyWith(pickle("EMPTY_LIST", "MARK", repeat(2 ** 20, "EMPTY_DICT"), "APPENDS", "STOP")),
  ],
  ["as many objects as are allowed in the legacy format", "torch", () =>
    legacyWith(
      pickle("EMPTY_LIST", "MARK", repeat(32_000, "SHORT_BINBYTES", 1, 1), "APPENDS", "STOP"),
    )],
  ["a million empty sets", "torch", () => listOf(2 ** 20, "EMPTY_SET")],
  [
    "a million calls",
    "torch",
    () =>
      torchWith(
        pickle(global("collections", "OrderedDict"), repeat(2 ** 20, "EMPTY_TUPLE", "REDUCE"), "STOP"),
      ),
  ],
  ["a million byte strings", "torch", () => listOf(2 ** 20, "SHORT_BINBYTES", 1, 1)],
  ["four million short texts", "torch", () => listOf(2 ** 22, "SHORT_BINUNICODE", 2, ascii("ab"))],
  ["two million floats", "torch", () => listOf(2 ** 21, "BINFLOAT", new Uint8Array(8).fill(1))],
  ["four million memo entries", "torch", () => torchWith(pickle("NONE", repeat(2 ** 22, "MEMOIZE"), "STOP"))],
  ["as many objects and texts as are allowed", "torch", () => {
    const some = repeat(32_000, "SHORT_BINBYTES", 1, 1);
    return torchWith(
      pickle(
        "EMPTY_LIST",
        "MARK",
        some,
        repeat(130_000, "SHORT_BINUNICODE", 2, ascii("ab")),
        "APPENDS",
        "STOP",
      ),
    );
  }],
  [
    "five texts of 4 MiB",
    "torch",
    () => torchWith(pickle("EMPTY_LIST", "MARK", repeat(5, longText(2 ** 22)), "APPENDS", "STOP")),
  ],
  ["a text of 20 MB", "torch", () => torchWith(pickle(longText(20_000_000), "STOP"))],
  ["as many records as are allowed", "torch", () => torchOfRecords(36_000, (i) => `data/${i}`)],
  ["300,000 records", "torch", () => torchOfRecords(300_000, (i) => `data/${i}`)],
  [
    "16,000 records of another zip writer's",
    "torch",
    () => zipOfRecords(16_000, (i) => i === 0 ? "m/data.pkl" : `m/data/${i}`),
  ],
  [
    "100,000 records of another zip writer's",
    "torch",
    () => zipOfRecords(100_000, (i) => i === 0 ? "m/data.pkl" : `m/data/${i}`),
  ],
  [
    "a dict of a header with a million tensors",
    "safetensors",
    () => header(`{${tensors(2 ** 20).join()}}`, 2 ** 20),
  ],
  [
    "a header with as many tensors as are allowed",
    "safetensors",
    () => header(`{${tensors(10_900).join()}}`, 10_900),
  ],
  ["a header with five million objects", "safetensors", () => header(`{"a":[${"{},".repeat(5_000_000)}{}]}`)],
  ["a header with 65,000 objects", "safetensors", () => header(`{"a":[${"{},".repeat(65_000)}{}]}`)],
  [
    "a shape of ten million dimensions",
    "safetensors",
    () => header(`{"a":{"shape":[${"1,".repeat(1e7)}1]}}`),
  ],
  [
    "metadata of 12 MB",
    "safetensors",
    () => header(`{"__metadata__":{"a":"${"a".repeat(11_000_000)}\u0100"}}`),
  ],
  [
    "as many texts as are allowed",
    "gguf",
    () => ggufWith({ type: "array", items: "string", values: texts(2 ** 20) }),
  ],
  [
    "more texts than are allowed",
    "gguf",
    () => ggufWith({ type: "array", items: "string", values: texts(2 ** 21) }),
  ],
  [
    "as many numbers of 64 bits as are allowed",
    "gguf",
    () =>
      ggufWith({
        type: "array",
        items: "int64",
        values: Array.from({ length: 2 ** 20 }, (_, i) => BigInt(i) << 40n),
      }),
  ],
  [
    "seven million packed numbers",
    "gguf",
    () => ggufWith({ type: "array", items: "int32", values: new Int32Array(7_000_000) }),
  ],
  [
    "a text of 12 MB",
    "gguf",
    () => ggufWith({ type: "string", value: "a".repeat(12_500_000) + "\u0100" }),
  ],
  ["as many keys as are allowed", "gguf", () => {
    const keys = texts(2 ** 16).map((
      key,
    ): [string, GgufValue] => [key, { type: "array", items: "bool", values: [] }]);
    return layoutGguf("m", new Map(keys), []).literals[0]!.bytes;
  }],
  ["as many tensors as are allowed", "gguf", () => {
    const tensors = texts(2 ** 16).map((name) => ({
      name,
      type: ggmlTypeOf("float32"),
      shape: [1, 1, 1, 0],
      data: new Uint8Array(),
    }));
    return layoutGguf("m", new Map(), tensors).literals[0]!.bytes;
  }],
  [
    "a key of 11,000 aliases of a long text",
    "model.yaml",
    () =>
      ascii(`model_family: llama\ns: &s "${"x".repeat(30_000)}"\nk:\n  ? [${"*s,".repeat(11_000)}]\n  : 1\n`),
  ],
  [
    "a key of 200 aliases of a long text",
    "model.yaml",
    () =>
      ascii(`model_family: llama\ns: &s "${"x".repeat(60_000)}"\nk:\n  ? [${"*s,".repeat(200)}]\n  : 1\n`),
  ],
  ["nine levels of nine aliases", "model.yaml", () =>
    ascii(
      Array.from({ length: 9 }, (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? "x" : `*a${i - 1}`)}]\n`)
        .join(""),
    )],
  [
    "an index of 8 MB",
    "index",
    () =>
      ascii(
        `{"weight_map":{${Array.from({ length: 500_000 }, (_, i) => `"${i.toString(36)}":"a"`).join()}}}`,
      ),
  ],
];

/** A dict with these keys. */
export function dictWith(keys: readonly Uint8Array[]): Uint8Array {
  return pickle("EMPTY_DICT", "MARK", join(keys.map((key) => pickle(key, "NONE"))), "SETITEMS", "STOP");
}

/** A text as a key. */
export { text };
