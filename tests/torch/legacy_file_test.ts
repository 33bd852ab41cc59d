import { assertEquals, assertStrictEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import {
  Global,
  PersistentId,
  type PickleValue,
  Reduction,
  Tuple,
  writePickle,
} from "../../lib/pickle/mod.ts";
import type { ByteSource } from "../../lib/bytes/source.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { type Tensor, tensorView } from "../../lib/tensor/tensor.ts";
import { dialectOf } from "../../lib/torch/dialect.ts";
import { isLegacyFile } from "../../lib/torch/legacy_file.ts";
import { currentDialect, layoutState } from "../../lib/torch/save_state.ts";
import { openTorchFile, outlineTorchFile, type TorchFile } from "../../lib/torch/torch_file.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { type ExpectedTensor, itemsOf, readView, render, withTorchFile } from "./_fixtures.ts";
import { memorySource } from "./_zip.ts";

const folder = new URL("../../fixtures/torch_legacy/", import.meta.url);
const pathOf = (name: string) => new URL(name, folder).pathname;
const expected: Record<string, ExpectedTensor[]> = JSON.parse(
  Deno.readTextFileSync(new URL("expected.json", folder)),
);

/** The tensors of a file's dict, or of the dict that it holds under one of the usual names. */
function stateOf(file: Pick<TorchFile, "root" | "tensor">): Map<string, Tensor> {
  const root = itemsOf(file.root);
  const state = new Map<string, Tensor>();
  for (const [name, value] of itemsOf(root.get("model") ?? root.get("state_dict") ?? file.root)) {
    const tensor = file.tensor(value, String(name));
    if (tensor !== undefined) state.set(String(name), tensor);
  }
  return state;
}

function factsOf(state: ReadonlyMap<string, Tensor>): ExpectedTensor[] {
  const storages = new Map<object, number>();
  return [...state].map(([name, tensor]) => {
    if (!storages.has(tensor.storage)) storages.set(tensor.storage, storages.size);
    return {
      name,
      dtype: tensor.dtype.name,
      shape: [...tensor.shape],
      stride: [...tensor.stride],
      storage_offset: tensor.storageOffset,
      storage: storages.get(tensor.storage)!,
      storage_bytes: readView(tensor.storage.view).length,
      requires_grad: tensor.requiresGrad,
      is_parameter: tensor.isParameter,
      bytes: readView(tensorView(tensor)).toHex(),
    };
  });
}

for (const [name, tensors] of Object.entries(expected)) {
  Deno.test(`openTorchFile() finds the tensors that torch finds in a legacy file: ${name}`, async () => {
    await withTorchFile(pathOf(`${name}/model.pt`), (file) => {
      assertEquals(factsOf(stateOf(file)), tensors);
      assertEquals(
        [...file.storages.values()].map(({ storage }) => storage.crc),
        [
          ...file.storages.values(),
        ].map(() => undefined),
      );
      assertEquals([...file.storages.keys()], [...file.storages.keys()].sort());
    });
  });

  Deno.test(`layoutState() writes what torch does of a legacy file's tensors: ${name}`, async () => {
    await withTorchFile(pathOf(`${name}/model.pt`), async (file) => {
      const dialect = await dialectOf(file);
      assertStrictEquals(dialect, currentDialect);
      const renamed = new Map([...stateOf(file)].map(([key, tensor]) => [`to.${key}`, tensor]));
      const target = Deno.readFileSync(pathOf(`${name}/consolidated.00.pth`));
      // The one thing that isn't known without torch is which digits stand for the records' names.
      const digits = new TextDecoder("latin1").decode(target).match(/\d{40}/)![0].slice(0, 20);
      const storages = new Set([...renamed.values()].map(({ storage }) => storage));
      const nameDigits = { digits, storages: storages.size };
      const layout = layoutState("consolidated.00.pth", renamed, { dialect: { ...dialect, nameDigits } });
      assertEquals(render(layout).toHex(), target.toHex());
    });
  });

  Deno.test(`outlineTorchFile() says of a legacy file all but the places: ${name}`, async () => {
    using source = FileSource.open(pathOf(`${name}/model.pt`));
    const outline = await outlineTorchFile(source, () => {});
    const found = [...stateOf(outline as unknown as TorchFile)].map(([name, { dtype, shape, stride }]) => [
      name,
      dtype.name,
      shape,
      stride,
    ]);
    assertEquals(found, tensors.map(({ name, dtype, shape, stride }) => [name, dtype, shape, stride]));
  });
}

Deno.test("layoutState() doesn't lay a file over a legacy one", async () => {
  await withTorchFile(pathOf("plain/model.pt"), (file) => {
    const layout = layoutState("x.pt", stateOf(file), { dialect: currentDialect, base: file });
    assertEquals(layout.overlay, undefined);
  });
});

Deno.test("openTorchFile() reads what torch saved in a legacy file and can't load", async () => {
  await withTorchFile(pathOf("unusual/untyped.pt"), (file) => {
    assertEquals(factsOf(stateOf(file)).map(({ name, dtype, bytes }) => [name, dtype, bytes]), [
      ["a", "float8_e4m3fn", "010203"],
      ["b", "uint16", "010203040506"],
      ["c", "float32", "000000000000003f"],
    ]);
  });
});

Deno.test("openTorchFile() reads a legacy file's tensors beside one that it doesn't know", async () => {
  await withTorchFile(pathOf("unusual/quantized.pt"), (file) => {
    const root = itemsOf(file.root);
    const state = new Map(["a", "b"].map((name) => [name, file.tensor(root.get(name)!, name)!]));
    assertEquals(factsOf(state).map(({ bytes }) => bytes), [
      "000000000000003f",
      "000000000000003f0000803f",
    ]);
  });
});

Deno.test("openTorchFile() refuses a module in a legacy file, by the first global that isn't allowed", async () => {
  const path = pathOf("unusual/module.pt");
  await assertFailsAsync(
    () => withTorchFile(path, () => {}),
    FormatError,
    `${path}: names torch.nn.modules.linear.Linear at byte 31, which no model's weights need; ` +
      "ckpt runs nothing from a file, so save the weights alone (a state dict)",
  );
});

Deno.test("isLegacyFile() goes by the magic number, in any protocol", async () => {
  const is = async (bytes: Uint8Array) => await isLegacyFile(memorySource(bytes));
  const text = (value: string) => new TextEncoder().encode(value);
  assertEquals(await is(text("L119547037146038801333356L\n.")), true);
  assertEquals(await is(text("L119547037146038801333357L\n.")), false);
  assertEquals(await is(text("I42\n.")), false);
  assertEquals(await is(new Uint8Array()), false);
  assertEquals(await is(text("PK\x03\x04")), false);
});

/** The parts of a legacy file, of which a test changes some. */
interface Parts {
  magic: PickleValue;
  version: PickleValue;
  facts: PickleValue;
  root: PickleValue;
  keys: PickleValue;
  /** The counts and bytes of storages. */
  storages: [count: number | bigint, bytes: Uint8Array][];
  tail: Uint8Array;
}

const facts = (littleEndian: boolean) => new Map<PickleValue, PickleValue>([["little_endian", littleEndian]]);

/** A reference to a storage of two float32 numbers. */
function reference(key: string, part: PickleValue = null, count = 2): PersistentId {
  return new PersistentId(new Tuple("storage", new Global("torch", "FloatStorage"), key, "cpu", count, part));
}

function tensor(storage: PersistentId, size = 2): Reduction {
  const hooks = new Reduction(new Global("collections", "OrderedDict"), new Tuple());
  return new Reduction(
    new Global("torch._utils", "_rebuild_tensor_v2"),
    new Tuple(storage, 0, new Tuple(size), new Tuple(1), false, hooks),
  );
}

const numbers = new Uint8Array(new Float32Array([1, 2]).buffer);

function legacyFile(change: Partial<Parts> = {}): Uint8Array {
  const parts: Parts = {
    magic: 0x1950a86a20f9469cfc6cn,
    version: 1001,
    facts: facts(true),
    root: new Map([["w", tensor(reference("7"))]]),
    keys: ["7"],
    storages: [[2, numbers]],
    tail: new Uint8Array(),
    ...change,
  };
  const pickles = [parts.magic, parts.version, parts.facts, parts.root, parts.keys].map((value) =>
    writePickle(value)
  );
  const data = parts.storages.flatMap(([count, bytes]) => [
    new Uint8Array(new BigUint64Array([BigInt(count)]).buffer),
    bytes,
  ]);
  const all = [...pickles, ...data, parts.tail];
  const file = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of all) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

async function open(file: Uint8Array): Promise<string[]> {
  const opened = await openTorchFile(memorySource(file));
  return [...stateOf(opened)].map(([name, { storage: { view } }]) =>
    `${name} ${view.op === "bytes" ? view.rows : view.op}`
  );
}

const LINEAR = new Global("torch.nn.modules.linear", "Linear");

/** Files, and what is said of them. */
const refused: readonly (readonly [what: string, change: Partial<Parts>, message: string])[] = [
  [
    "another version",
    { version: 1002 },
    "file.pt: is in a version of torch's legacy format that ckpt doesn't know, not in 1001; " +
    "load it with torch and torch.save it again",
  ],
  [
    "no facts about the machine",
    { facts: null },
    "file.pt: lacks the facts about the machine that wrote it; the file is damaged",
  ],
  [
    "no list of storages",
    { keys: new Tuple("7") },
    "file.pt: lacks the list of its storages; the file is damaged",
  ],
  [
    "a storage that nothing refers to",
    { keys: ["7", "8"], storages: [[2, numbers], [2, numbers]] },
    "file.pt: lists a storage that nothing refers to; the file is damaged",
  ],
  [
    "a storage that is listed as a number",
    { keys: [7] },
    "file.pt: lists a storage that nothing refers to; the file is damaged",
  ],
  ["a storage twice", { keys: ["7", "7"] }, "file.pt: lists storage 7 twice; the file is damaged"],
  [
    "a storage of a class that isn't one",
    {
      root: [new PersistentId(new Tuple("storage", new Global("torch", "Size"), "7", "cpu", 2, null))],
    },
    "file.pt: ckpt doesn't know the storage class torch.Size",
  ],
  [
    "a storage of a negative size",
    { root: [reference("7", null, -2)] },
    "file.pt: gives storage 7 an impossible size; the file is damaged",
  ],
  [
    "a storage too large to count",
    { root: [reference("7", null, 2 ** 52)] },
    "file.pt: gives storage 7 an impossible size; the file is damaged",
  ],
  [
    "a storage past the end",
    { root: [reference("7", null, 3)] },
    "file.pt: storage 7 ends past the end of the file; the file is truncated",
  ],
  [
    "bytes at the end",
    { tail: new Uint8Array(3) },
    "file.pt: has 3 bytes after its last storage; it is damaged, or something was appended to it",
  ],
  [
    "another number of items than the pickle says",
    { storages: [[3, numbers]] },
    "file.pt: storage 7 has 3 items, but 2 are needed; the file is damaged",
  ],
  [
    "a number of items that no number holds",
    { storages: [[2n ** 63n, numbers]] },
    "file.pt: storage 7 has 9223372036854775808 items, but 2 are needed; the file is damaged",
  ],
  [
    "a number of items in another byte order",
    { facts: facts(false), storages: [[2n << 56n, numbers]] },
    "file.pt: was written on a big-endian machine; load it with torch there and torch.save it again",
  ],
  [
    "a tensor of a storage that isn't listed",
    { root: new Map([["w", tensor(reference("8"))], ["v", tensor(reference("7"))]]) },
    "file.pt: w: its record data/8 is missing; the file is damaged or incomplete",
  ],
  [
    "a reference of a new file's form",
    {
      root: new Map([[
        "w",
        tensor(new PersistentId(new Tuple("storage", new Global("torch", "FloatStorage"), "7", "cpu", 2))),
      ]]),
    },
    "file.pt: w: the tensor doesn't refer to a storage; the file is damaged",
  ],
  [
    "a part that reaches past its storage",
    { root: new Map([["w", tensor(reference("7", new Tuple("9", 1, 2)))]]) },
    "file.pt: w: its storage reaches past the one that it is a part of; the file is damaged",
  ],
  [
    "a part with a negative start",
    { root: new Map([["w", tensor(reference("7", new Tuple("9", -1, 2)))]]) },
    "file.pt: w: the tensor's storage's start can't be -1; the file is damaged",
  ],
  [
    "a part that is no tuple",
    { root: new Map([["w", tensor(reference("7", "9"))]]) },
    "file.pt: w: the tensor doesn't refer to a storage; the file is damaged",
  ],
  [
    "a part with the key of a storage",
    { root: new Map([["w", tensor(reference("7", new Tuple("7", 0, 2)))]]) },
    "file.pt: w: the tensor doesn't refer to a storage; the file is damaged",
  ],
  [
    "a part in two places",
    {
      root: new Map([
        ["v", tensor(reference("7", new Tuple("9", 0, 1)), 1)],
        ["w", tensor(reference("7", new Tuple("9", 1, 1)), 1)],
      ]),
    },
    "file.pt: w: its storage 9 is said to be in two places; the file is damaged",
  ],
  [
    "a tensor past the part that is its storage",
    { root: new Map([["w", tensor(reference("7", new Tuple("9", 1, 1)))]]) },
    "file.pt: w: the tensor [2] reaches past its storage of 4 bytes; the file is damaged",
  ],
  [
    "a global that isn't allowed",
    { root: [LINEAR, reference("7")] },
    "file.pt: names torch.nn.modules.linear.Linear at byte 6, which no model's weights need; " +
    "ckpt runs nothing from a file, so save the weights alone (a state dict)",
  ],
  [
    "a global among the facts",
    { facts: new Map([["x", new Global("os", "system")]]) },
    "file.pt: names os.system at byte 13, which no model's weights need; " +
    "ckpt runs nothing from a file, so save the weights alone (a state dict)",
  ],
];

for (const [what, change, message] of refused) {
  Deno.test(`openTorchFile() refuses a legacy file with ${what}`, async () => {
    await assertFailsAsync(() => open(legacyFile(change)), FormatError, message);
  });
}

Deno.test("openTorchFile() reads the file that the others above are changed from", async () => {
  assertEquals(await open(legacyFile()), ["w 8"]);
  // Of a big-endian machine just the numbers of items may be different.
  assertEquals(await open(legacyFile({ facts: facts(false) })), ["w 8"]);
});

Deno.test("openTorchFile() refuses a legacy file that is truncated anywhere", async () => {
  const file = legacyFile();
  const magicBytes = 15;
  for (let length = magicBytes; length < file.length; length++) {
    const message = await open(file.subarray(0, length)).then(() => "read", (error) => {
      assertEquals(error instanceof FormatError, true, `${length}: ${error}`);
      return (error as Error).message;
    });
    assertEquals(
      /^file\.pt: (the pickle at byte \d+: |storage 7 ends past the end)/.test(message),
      true,
      message,
    );
  }
});

Deno.test("openTorchFile() says which pickle of a legacy file is damaged", async () => {
  const file = legacyFile();
  file[15 + 2] = 0xff; // The opcode after PROTO in the second pickle.
  await assertFailsAsync(
    () => open(file),
    FormatError,
    "file.pt: the pickle at byte 15: Cannot read opcode 0xff: no protocol has it (at byte 2 of the pickle); copy the file again",
  );
});

/** A source that notes what is read from it. */
class Watched implements ByteSource {
  readonly path = "file.pt";
  readonly reads: [offset: number, length: number][] = [];
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.reads.push([offset, length]);
    return Promise.resolve(this.#bytes.slice(offset, offset + length));
  }
}

Deno.test("openTorchFile() reads as much of a legacy file as its pickles need, and the numbers of items", async () => {
  const data = new Uint8Array(400_000);
  const long = new Map<PickleValue, PickleValue>([["w", tensor(reference("7", null, 100_000), 100_000)]]);
  for (let i = 0; i < 5000; i++) long.set(`a name that is rather long, for its number is ${i}`, i);
  const file = legacyFile({ root: long, storages: [[100_000, data]] });
  const source = new Watched(file);
  await openTorchFile(source);
  const countAt = file.length - data.length - 8;
  const KIB = 1024;
  assertEquals(source.reads, [
    [0, 512],
    [0, 16 * KIB],
    [16 * KIB, 48 * KIB],
    [64 * KIB, 192 * KIB],
    [256 * KIB, file.length - 256 * KIB],
    [countAt, 8],
  ]);
  assertEquals(countAt > 256 * KIB, true);
});
