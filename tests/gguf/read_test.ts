import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { ggmlBytes, ggmlType } from "../../lib/gguf/ggml_types.ts";
import { layoutGguf } from "../../lib/gguf/layout.ts";
import { MAX_HEADER_BYTES, MAX_ITEMS, MAX_TEXT_BYTES } from "../../lib/gguf/limits.ts";
import { GgufError, readGguf } from "../../lib/gguf/read.ts";
import { concat, memorySource } from "../torch/_zip.ts";
import { python, runPython } from "../_python.ts";
import { GOLDEN, goldenTensors, goldenValues, tensorsAtEnd } from "./_files.ts";

function number(bytes: 4 | 8, value: number | bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return new Uint8Array(view.buffer, 0, bytes);
}

const u32 = (value: number) => number(4, value);
const u64 = (value: number | bigint) => number(8, value);
const text = (value: string | number[]) => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : Uint8Array.from(value);
  return concat(u64(bytes.length), bytes);
};
/** A `uint8`, by default 7, under a key. */
const entry = (key: string | number[], type = 0, value: Uint8Array = Uint8Array.of(7)) =>
  concat(text(key), u32(type), value);
const array = (type: number, count: number | bigint, ...items: Uint8Array[]) =>
  concat(u32(type), u64(count), ...items);
/** A tensor of four float32 numbers, with its sizes in the order of the file. */
const tensor = (
  name: string | number[],
  sizes: (number | bigint)[] = [4],
  type = 0,
  offset: number | bigint = 0,
) => concat(text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(offset));

/** A file put together byte by byte; 64 bytes of data follow its table, which is padded to 32. */
function fileOf(
  entries: readonly Uint8Array[],
  tensors: readonly Uint8Array[] = [],
  options: {
    keys?: number | bigint;
    tensors?: number | bigint;
    start?: Uint8Array;
    padTo?: number;
    data?: number;
  } = {},
): Uint8Array {
  const table = concat(
    options.start ?? concat(new TextEncoder().encode("GGUF"), u32(3)),
    u64(options.tensors ?? tensors.length),
    u64(options.keys ?? entries.length),
    ...entries,
    ...tensors,
  );
  const { padTo = 32, data = 64 } = options;
  return concat(table, new Uint8Array(Math.ceil(table.length / padTo) * padTo - table.length + data));
}

async function refuses(file: Uint8Array, message: string): Promise<void> {
  await assertRejects(() => readGguf(memorySource(file)), GgufError, `file.pt: ${message}`);
}

Deno.test("readGguf() reads the values that gguf-py wrote, of every type", async () => {
  using source = FileSource.open(join(GOLDEN, "values.gguf"));
  const { version, alignment, metadata, tensors } = await readGguf(source);
  assertEquals([version, alignment, tensors], [3, 32, []]);
  assertEquals([...metadata], [...goldenValues]);
});

Deno.test("readGguf() reads where the tensors are that gguf-py wrote", async () => {
  for (const [name, expected] of Object.entries(goldenTensors)) {
    const path = join(GOLDEN, `${name}.gguf`);
    using source = FileSource.open(path);
    const { alignment, tensors } = await readGguf(source);
    assertEquals(alignment, name === "aligned" ? 256 : 32);
    assertEquals(
      tensors,
      tensorsAtEnd(path, expected, alignment).map(({ name, type, shape, data }) => {
        if (data instanceof Uint8Array || data.op !== "bytes") throw new Error("it is a run of the file");
        return { name, type, shape, offset: data.offset, bytes: data.rows * data.rowBytes };
      }),
    );
  }
});

Deno.test("readGguf() reads version 2, names of 63 bytes, empty tensors and what has no dimensions", async () => {
  const start = concat(new TextEncoder().encode("GGUF"), u32(2));
  const name = "é".repeat(31) + "a";
  const file = fileOf(
    [entry("key", 9, array(0, 0)), entry("bool", 7, Uint8Array.of(1))],
    [tensor(name, []), tensor("empty", [0, 5], 8, 32), tensor("q", [32, 1], 8, 32)],
    { start, data: 66 },
  );
  const { version, metadata, tensors } = await readGguf(memorySource(file));
  assertEquals(version, 2);
  assertEquals([...metadata], [["key", { type: "array", items: "uint8", values: [] }], ["bool", {
    type: "bool",
    value: true,
  }]]);
  const dataAt = file.length - 66;
  assertEquals(tensors.map(({ name, shape, offset, bytes }) => [name, shape, offset - dataAt, bytes]), [
    [name, [], 0, 4],
    ["empty", [5, 0], 32, 0],
    ["q", [1, 32], 32, 34],
  ]);
});

Deno.test("readGguf() keeps tensors of types that it doesn't know", async () => {
  const file = fileOf([], [tensor("old", [4], 4), tensor("new", [7, 2], 99, 32), tensor("a", [4], 0, 64)], {
    data: 80,
  });
  const { tensors } = await readGguf(memorySource(file));
  assertEquals(tensors.map(({ name, type, shape, bytes }) => [name, type.name, shape, bytes]), [
    ["old", "type 4", [4], undefined],
    ["new", "type 99", [2, 7], undefined],
    ["a", "F32", [4], 16],
  ]);
  const odd = fileOf([], [tensor("old", [4], 4), tensor("a", [4], 0, 40)]);
  await refuses(odd, 'tensor "a" starts at byte 40 of the data, and has to start at a multiple of 32 from 0');
  await refuses(
    fileOf([], [tensor("old", [4], 4), tensor("new", [4], 99, 2 ** 40)]),
    'tensor "new" ends at byte 1099511627872, past the file\'s end at 160; copy the file again',
  );
});

Deno.test("readGguf() refuses what is no GGUF file, or of another version", async () => {
  const start = (magic: string, version: number) =>
    fileOf([], [], { start: concat(new TextEncoder().encode(magic), u32(version)) });
  await refuses(new Uint8Array(3), "ends at byte 3, within its table (its first bytes); copy the file again");
  await refuses(start("GGML", 3), 'begins with "GGML", not with GGUF; it is no GGUF file');
  await refuses(start("GGUF", 0), "has version 0 of GGUF, and ckpt reads 2 and 3");
  await refuses(
    start("GGUF", 1),
    "has version 1 of GGUF, which llama.cpp no longer reads, either; convert the model anew",
  );
  await refuses(start("GGUF", 4), "has version 4 of GGUF, and ckpt reads 2 and 3");
  await refuses(
    start("GGUF", 0x03000000),
    "is a big-endian file, and ckpt reads little-endian ones; convert it with gguf-convert-endian",
  );
});

Deno.test("readGguf() refuses counts and lengths that lie", async () => {
  const cut = "copy the file again";
  await refuses(
    fileOf([], [], { tensors: 2n ** 63n }),
    "states 9223372036854776000 tensors, more than the 65536",
  );
  await refuses(fileOf([], [], { keys: 65537 }), "states 65537 keys, more than the 65536 that ckpt reads");
  await refuses(
    fileOf([], [], { keys: 1, padTo: 1, data: 0 }),
    `ends at byte 24, within its table (key 0); ${cut}`,
  );
  await refuses(fileOf([u64(2n ** 64n - 1n)]), "key 0 has 18446744073709552000 bytes, more than 65535");
  await refuses(fileOf([entry("k", 8, u64(1000))]), `ends at byte 128, within its table ("k"); ${cut}`);
  await refuses(
    fileOf([entry("k", 9, array(12, 2n ** 61n))]),
    `"k" states 2305843009213694000 items, more than the file has bytes for; ${cut}`,
  );
  await refuses(
    fileOf([entry("k", 9, array(8, 1000))]),
    `"k" states 1000 items, more than the file has bytes for`,
  );
  const many = fileOf(
    [entry("k", 9, array(0, MAX_ITEMS)), new Uint8Array(MAX_ITEMS), entry("l", 9, array(0, 1))],
    [],
    {
      keys: 2,
    },
  );
  await refuses(many, `has more than ${MAX_ITEMS} items in arrays ("l"), which ckpt doesn't read`);
  const long = fileOf([entry("k", 9, array(4, 2 ** 23))], [], { data: MAX_HEADER_BYTES });
  await refuses(long, `has a table of more than ${MAX_HEADER_BYTES} bytes ("k"), which ckpt doesn't read`);
  await refuses(
    fileOf([entry("k", 8, u64(MAX_TEXT_BYTES + 1))], [], { data: MAX_HEADER_BYTES }),
    `"k" has ${MAX_TEXT_BYTES + 1} bytes, more than ${MAX_TEXT_BYTES}`,
  );
});

Deno.test("readGguf() refuses keys and values that aren't what they have to be", async () => {
  await refuses(fileOf([entry("")]), "key 0 is empty");
  await refuses(fileOf([entry("k"), entry("k")]), 'key "k" is there twice');
  await refuses(fileOf([entry("a\0b")]), 'key 0 has a zero in it: "a\\u0000b"');
  await refuses(fileOf([entry([0xff])]), "key 0 has a text that is no UTF-8");
  await refuses(fileOf([entry("k", 8, text([0xed, 0xa0, 0x80]))]), '"k" has a text that is no UTF-8');
  await refuses(
    fileOf([entry("k", 9, array(8, 2, text("a"), text([0xc0])))]),
    '"k" has a text that is no UTF-8',
  );
  await refuses(fileOf([entry("k", 13)]), '"k" has a value of type 13, which GGUF doesn\'t have');
  await refuses(fileOf([entry("k", 9, array(4294967295, 0))]), '"k" has a value of type 4294967295, which');
  await refuses(
    fileOf([entry("k", 9, array(9, 1, array(0, 0)))]),
    '"k" is an array of arrays, which llama.cpp doesn\'t read, either',
  );
  await refuses(fileOf([entry("k", 7, Uint8Array.of(2))]), '"k" is a bool that is 2, neither 0 nor 1');
  await refuses(
    fileOf([entry("k", 9, array(7, 1, Uint8Array.of(255)))]),
    '"k" is a bool that is 255, neither',
  );
  const alignment = (type: number, value: Uint8Array) => fileOf([entry("general.alignment", type, value)]);
  await refuses(alignment(10, u64(32)), "general.alignment is a uint64, and has to be a uint32");
  await refuses(alignment(4, u32(0)), "general.alignment is 0, no power of two");
  await refuses(alignment(4, u32(48)), "general.alignment is 48, no power of two");
});

Deno.test("readGguf() refuses tensors that can't be", async () => {
  const one = (...args: Parameters<typeof tensor>) => fileOf([], [tensor(...args)]);
  await refuses(one("a".repeat(64)), "the name of tensor 0 has 64 bytes, more than 63");
  await refuses(one("a\0"), 'the name of tensor 0 has a zero in it: "a\\u0000"');
  await refuses(one([0x80]), "the name of tensor 0 has a text that is no UTF-8");
  await refuses(fileOf([], [tensor("a"), tensor("a", [4], 0, 32)]), 'tensor "a" is there twice');
  await refuses(one("a", [1, 1, 1, 1, 1]), 'tensor "a" has 5 dimensions, more than 4');
  await refuses(one("a", [-1n]), 'tensor "a" has more numbers than can be counted');
  await refuses(one("a", [2n ** 32n, 2n ** 32n, 0]), 'tensor "a" has more numbers than can be counted');
  await refuses(one("a", [2n ** 52n], 28), 'tensor "a" has more bytes than can be counted');
  await refuses(one("a", [33, 32], 8), 'tensor "a" is Q8_0, in blocks of 32 numbers, but has rows of 33');
  await refuses(one("a", [], 8), 'tensor "a" is Q8_0, in blocks of 32 numbers, but has rows of 1');
  await refuses(one("a", [128], 12), 'tensor "a" is Q4_K, in blocks of 256 numbers, but has rows of 128');

  const second = (offset: number | bigint) => fileOf([], [tensor("a", [9]), tensor("b", [4], 0, offset)]);
  await readGguf(memorySource(fileOf([], [tensor("a", [9]), tensor("b", [4], 0, 64)], { data: 80 })));
  for (const offset of [0, 36, 32, 96, 2n ** 64n - 1n]) {
    await refuses(
      second(offset),
      `tensor "b" starts at byte ${Number(offset)} of the data, and has to start at 64`,
    );
  }
  await refuses(one("a", [4], 0, 32), 'tensor "a" starts at byte 32 of the data, and has to start at 0');
  await refuses(second(64), 'tensor "b" ends at byte 176, past the file\'s end at 160; copy the file again');
  // The end of a file needs no padding; a table that a tensor follows does.
  await refuses(
    fileOf([], [tensor("a", [0])], { padTo: 1, data: 0 }),
    'tensor "a" ends at byte 64, past the file\'s',
  );
});

Deno.test("readGguf() refuses a file that ends anywhere", async () => {
  for (const name of ["values", "types"]) {
    const file = Deno.readFileSync(join(GOLDEN, `${name}.gguf`));
    const { tensors } = await readGguf(memorySource(file));
    const last = tensors.at(-1);
    // Without tensors, that is the end of the table, which here is no zero.
    const end = last === undefined ? file.findLastIndex((byte) => byte !== 0) + 1 : last.offset + last.bytes!;
    for (let length = 0; length < end; length++) {
      await assertRejects(
        () => readGguf(memorySource(file.subarray(0, length))),
        GgufError,
        "copy the file again",
      );
    }
    await readGguf(memorySource(file.subarray(0, end)));
  }
});

Deno.test("readGguf() reads a table of 300,000 texts in chunks, and little of what follows", async () => {
  const values = Array.from({ length: 300_000 }, (_, i) => `token ${i}`);
  const long = "é".repeat(300_000);
  const { literals } = layoutGguf(
    "x",
    new Map([
      ["a", { type: "array", items: "string", values }],
      ["b", { type: "string", value: long }],
      ["c", { type: "array", items: "int32", values: Int32Array.from({ length: 300_000 }, (_, i) => -i) }],
    ]),
    [],
  );
  const reads: [number, number][] = [];
  const file = concat(literals[0]!.bytes, new Uint8Array(1 << 22));
  const { metadata } = await readGguf(memorySource(file, reads));
  assertEquals(metadata.get("b"), { type: "string", value: long });
  // In one piece: differences of so many are no message.
  assert(JSON.stringify(metadata.get("a")) === JSON.stringify({ type: "array", items: "string", values }));
  const last = metadata.get("c");
  assert(last?.type === "array" && last.values.length === 300_000 && last.values[299_999] === -299_999);
  assert(reads.length < 30, `${reads.length} reads`);
  assert(reads.every(([offset, length]) => offset + length < literals[0]!.bytes.length + 300_000));
});

const hasGguf = python() !== undefined &&
  new Deno.Command(python()!, { args: ["-c", "import gguf"] }).outputSync().success;

Deno.test({
  name: `ggmlType() knows the types that gguf-py knows${
    hasGguf ? "" : " (needs a Python with gguf in CKPT_PYTHON)"
  }`,
  ignore: !hasGguf,
  async fn() {
    const types = JSON.parse(
      await runPython(
        "import gguf, json; print(json.dumps([[t.value, t.name, *s] for t, s in gguf.GGML_QUANT_SIZES.items()]))",
      ),
    ) as [number, string, number, number][];
    assert(types.length > 30);
    for (const [id, name, items, bytes] of types) {
      const type = ggmlType(id);
      assertEquals([type.name, type.block?.items], [name, items]);
      // Its size is wrong there until 0.19; no file has it.
      if (name !== "Q8_1") assertEquals(ggmlBytes(type, [3, 2 * items]), 6 * bytes, name);
    }
  },
});
