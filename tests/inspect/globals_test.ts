import { assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import { join } from "../../lib/deps.ts";
import { FileError, FormatError } from "../../lib/error.ts";
import { inspectGlobals, type NamedByPickle } from "../../lib/inspect/globals.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { fileOf } from "../safetensors/_files.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS, readRecords, writeRecords } from "../_torch_files.ts";
import { golden } from "./_golden.ts";

interface GoldenPickle {
  readonly what: string;
  readonly protocol: number;
  readonly data: string;
  readonly globals: NamedByPickle[];
}

const pickles = golden<GoldenPickle[]>("globals.json");
const pickleOf = (what: string, protocol: number) =>
  pickles.find((each) => each.what === what && each.protocol === protocol)!;
const bytesOf = (what: string, protocol: number) => Uint8Array.fromBase64(pickleOf(what, protocol).data);

const TORCH = join(CHECKPOINTS, "..", "torch", "2.13.0");
const LEGACY = join(CHECKPOINTS, "..", "torch_legacy");

for (const { what, protocol, data, globals } of pickles) {
  Deno.test(`inspectGlobals() lists what CPython finds in a pickle of ${what} in protocol ${protocol}`, async () => {
    using temp = new TempDir();
    Deno.writeFileSync(temp.at("x.pkl"), Uint8Array.fromBase64(data));
    assertEquals(await inspectGlobals(temp.at("x.pkl")), { globals, complete: true, notes: [] });
  });
}

const module = [
  { name: "torch.nn.modules.linear.Linear", allowed: false },
  { name: "torch._utils._rebuild_parameter", allowed: true },
  { name: "torch._utils._rebuild_tensor_v2", allowed: true },
  { name: "torch.FloatStorage", allowed: true },
  { name: "collections.OrderedDict", allowed: true },
  { name: "__builtin__.set", allowed: true },
];

Deno.test("inspectGlobals() lists those of torch's files, in both formats", async () => {
  for (const path of [join(TORCH, "unusual", "module.pt"), join(LEGACY, "unusual", "module.pt")]) {
    assertEquals(await inspectGlobals(path), { globals: module, complete: true, notes: [] });
  }
  assertEquals((await inspectGlobals(pathToFileURL(join(TORCH, "unusual", "module.pt")))).globals, module);
});

Deno.test("inspectGlobals() lists those of all files in a directory", async () => {
  const found = await inspectGlobals(join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_fp32_tp2_fsdp2"));
  assertEquals(found, {
    globals: [
      { name: "torch._utils._rebuild_tensor_v2", allowed: true },
      { name: "torch.FloatStorage", allowed: true },
      { name: "collections.OrderedDict", allowed: true },
    ],
    complete: true,
    notes: [],
  });
});

Deno.test("inspectGlobals() lists what a pickle that was cut off names, and says that it was", async () => {
  using temp = new TempDir();
  const path = temp.at("x.pkl");
  for (let protocol = 0; protocol <= 5; protocol++) {
    const whole = bytesOf("calls", protocol);
    const names = pickleOf("calls", protocol).globals.map(({ name }) => name);
    let most = 0;
    for (let length = 1; length < whole.length; length++) {
      Deno.writeFileSync(path, whole.subarray(0, length));
      // Of text without a protocol, the first bytes may be no pickle yet.
      const found = await inspectGlobals(path).catch((error) => {
        assertEquals([error instanceof FormatError, protocol < 2], [true, true]);
        return undefined;
      });
      if (found === undefined) continue;
      const got = found.globals.map(({ name }) => name);
      assertEquals([found.complete, found.notes.length], [false, 1], `${protocol} ${length}`);
      assertEquals(got, names.slice(0, got.length));
      assertEquals(got.length >= most, true);
      most = got.length;
    }
    assertEquals(most, names.length);
  }
  Deno.writeFileSync(path, bytesOf("calls", 4).subarray(0, -1));
  const length = bytesOf("calls", 4).length - 11;
  assertEquals((await inspectGlobals(path)).notes, [
    `the pickle: could not be read to its end: Cannot read FRAME: ${length} bytes are needed, ${
      length - 1
    } are left ` +
    "(at byte 2 of the pickle); it may name more",
  ]);
});

Deno.test("inspectGlobals() lists what comes before damage", async () => {
  using temp = new TempDir();
  const bytes = bytesOf("calls", 2);
  // The names come first, and then there is an opcode that is none.
  Deno.writeFileSync(
    temp.at("x.pkl"),
    new Uint8Array([...bytes.subarray(0, -1), 0xff, ...bytes.subarray(-1)]),
  );
  const found = await inspectGlobals(temp.at("x.pkl"));
  assertEquals(found.globals, pickleOf("calls", 2).globals);
  assertEquals([found.complete, found.notes], [false, [
    `the pickle: could not be read to its end: Cannot read opcode 0xff: no protocol has it (at byte ${
      bytes.length - 1
    } of the pickle); it may name more`,
  ]]);
});

Deno.test("inspectGlobals() reads pickles that follow each other, and says what else does", async () => {
  using temp = new TempDir();
  const path = temp.at("x.pkl");
  Deno.writeFileSync(
    path,
    new Uint8Array([...bytesOf("same", 4), ...bytesOf("torch", 2), ...bytesOf("same", 0)]),
  );
  assertEquals(await inspectGlobals(path), {
    globals: [...pickleOf("same", 4).globals, ...pickleOf("torch", 2).globals],
    complete: true,
    notes: [],
  });
  Deno.writeFileSync(path, new Uint8Array([...bytesOf("same", 4), 0xff, 0xff]));
  assertEquals(await inspectGlobals(path), {
    globals: pickleOf("same", 4).globals,
    complete: true,
    notes: ["has 2 bytes after its pickle that are none"],
  });
  // A second one that names something before it breaks counts.
  Deno.writeFileSync(path, new Uint8Array([...bytesOf("data", 4), ...bytesOf("same", 2).subarray(0, -2)]));
  const { globals, complete, notes } = await inspectGlobals(path);
  assertEquals([globals, complete, notes.length], [pickleOf("same", 2).globals, false, 1]);
});

Deno.test("inspectGlobals() reads an archive's pickles, whatever their checksums and ends are", async () => {
  using temp = new TempDir();
  const path = temp.at("x.pt");
  const records = readRecords(join(TORCH, "plain", "model.pt"));
  records.set("data.pkl", bytesOf("calls", 2));
  records.set("constants.pkl", new Uint8Array([...bytesOf("torch", 2), 1]));
  writeRecords(path, records, { crcs: { "data.pkl": 1 } });
  const { globals } = pickleOf("calls", 2);
  assertEquals(await inspectGlobals(path), {
    globals: [...globals, ...pickleOf("torch", 2).globals],
    complete: false,
    notes: [
      "data.pkl: is damaged (its CRC-32 doesn't match)",
      "constants.pkl: has 1 bytes behind its end",
      "is a TorchScript archive: torch.load runs its programs, which aren't read",
    ],
  });
});

Deno.test("inspectGlobals() reads a legacy file as far as it goes", async () => {
  using temp = new TempDir();
  const path = temp.at("x.pt");
  const file = Deno.readFileSync(join(LEGACY, "unusual", "module.pt"));
  const text = new TextDecoder("latin1").decode(file);
  const cut = text.indexOf("FloatStorage") + 14;
  Deno.writeFileSync(path, file.subarray(0, cut));
  const { globals, complete, notes } = await inspectGlobals(path);
  assertEquals([globals, complete], [module.slice(0, 4), false]);
  assertEquals(notes.length, 1);
  assertEquals(
    notes[0]!.startsWith("the pickle at byte 137: could not be read to its end: "),
    true,
    notes[0],
  );
});

Deno.test("inspectGlobals() says that safetensors holds no pickle", async () => {
  for (const [name, path] of [["model.safetensors", ""], ["renamed", ""]] as const) {
    using temp = new TempDir();
    Deno.copyFileSync(join(CHECKPOINTS, "..", "safetensors", "model.safetensors"), temp.at(name) + path);
    assertEquals(await inspectGlobals(temp.at(name)), {
      globals: [],
      complete: true,
      notes: ["safetensors holds no pickle"],
    });
  }
});

Deno.test("inspectGlobals() takes no header's length for a pickle", async () => {
  using temp = new TempDir();
  const header = (bytes: number) => {
    const tensors: Record<string, unknown> = { __metadata__: { format: "pt" } };
    for (let i = 0; JSON.stringify(tensors).length < bytes - 200; i++) {
      tensors[`model.layers.${i}.mlp.down_proj.weight`] = { dtype: "BF16", shape: [0], data_offsets: [0, 0] };
    }
    return JSON.stringify(tensors).padEnd(bytes);
  };
  // Multiples of 8, as all that write safetensors make them. The first byte is an opcode again and again.
  for (let bytes = 40; bytes < 6000; bytes += 8) {
    Deno.writeFileSync(temp.at("x"), fileOf(header(bytes)));
    const { globals, complete } = await inspectGlobals(temp.at("x"));
    assertEquals([globals, complete], [[], true], String(bytes));
  }
});

Deno.test("inspectGlobals() refuses what holds no pickle", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(temp.at("text"), "%PDF-1.7\n");
  await assertFailsAsync(
    () => inspectGlobals(temp.at("text")),
    FormatError,
    `${temp.at("text")}: is no pickle, nor does it hold one: Cannot read opcode 0x25: no protocol has it ` +
      "(at byte 0 of the pickle)",
  );
  Deno.writeTextFileSync(temp.at("empty"), "");
  await assertFailsAsync(
    () => inspectGlobals(temp.at("empty")),
    FormatError,
    `${temp.at("empty")}: the file is empty; copy it again`,
  );
  Deno.mkdirSync(temp.at("directory"));
  await assertFailsAsync(
    () => inspectGlobals(temp.at("directory")),
    FileError,
    `${temp.at("directory")}: holds no files of torch's; name a file`,
  );
});
