import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { FileError, FormatError } from "../../lib/error.ts";
import { Global, PersistentId, Reduction, Tuple, writePickle } from "../../lib/pickle/mod.ts";
import { type Archive, MAX_TABLE_BYTES, readRecord } from "../../lib/torch/archive.ts";
import { layoutArchive } from "../../lib/torch/archive_layout.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { Random } from "../copy/_random.ts";
import { bigArchives, casesOf, fixturePath, render, stateOf, versions, walkArchive } from "./_fixtures.ts";
import { buildZip, concat, le, memorySource, text, torchFile, type ZipRecord } from "./_zip.ts";

/** A tensor of two float32 numbers in storage 0. */
const tensor = new Reduction(
  new Global("torch._utils", "_rebuild_tensor_v2"),
  new Tuple(
    new PersistentId(new Tuple("storage", new Global("torch", "FloatStorage"), "0", "cpu", 2)),
    0,
    new Tuple(2),
    new Tuple(1),
    false,
    new Reduction(new Global("collections", "OrderedDict"), new Tuple()),
  ),
);

/** What other zip writers make of a torch file: no padding, no descriptors. */
const good: readonly ZipRecord[] = [
  { name: "model/data.pkl", data: writePickle(new Map([["a", tensor]])) },
  { name: "model/byteorder", data: text("little") },
  { name: "model/data/0", data: text("12345678") },
  { name: "model/version", data: text("3\n") },
];

/** The good records, one of them changed. */
function changed(index: number, change: Partial<ZipRecord>): ZipRecord[] {
  return good.map((record, i) => i === index ? { ...record, ...change } : record);
}

/** Opens a file and finds its tensors, as a conversion does. */
async function open(bytes: Uint8Array): Promise<string[]> {
  const file = await openTorchFile(memorySource(bytes));
  return [...stateOf(file).keys()];
}

const unreadable = (reason: string) =>
  `file.pt: the zip archive can't be read (${reason}); it is truncated or damaged, so copy it again`;

const outOfFields = { count: 0xffff, length: 0xffffffff, at: 0xffffffff };

for (
  const [what, bytes] of [
    ["without zip64", buildZip(good, { zip64: false })],
    ["with the zip64 end that torch writes always", buildZip(good)],
    ["with a zip64 end that is needed", buildZip(good, { end: outOfFields })],
    [
      "with sizes in a zip64 field",
      buildZip(changed(2, {
        directory: {
          size: 0xffffffff,
          compressedSize: 0xffffffff,
          extra: le([1, 2], [16, 2], [8, 8], [8, 8]),
        },
      })),
    ],
    ["with extra fields", buildZip(changed(2, { local: { extra: le([0x4246, 2], [20, 2], [0, 20]) } }))],
    [
      "with a descriptor that has no flag in the directory",
      buildZip(changed(2, { local: { flags: 0x0808, crc: 0, size: 0 } })),
    ],
    ["with something between the records and the directory", buildZip(good, { gap: text("gap") })],
  ] as const
) {
  Deno.test(`openArchive() reads zips of other writers: ${what}`, async () => {
    assertEquals(await open(bytes), ["a"]);
  });
}

/** Patches a 16-bit field of a file. */
function patched(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(at, value, true);
  return copy;
}

/** Where the local header of the good records' storage is. */
const storageAt = good.slice(0, 2).reduce((at, { name, data }) => at + 30 + name.length + data.length, 0);

const contradicts =
  "file.pt: data/0: the local header contradicts the archive's directory, so the archive is damaged";

const hostile: [what: string, bytes: Uint8Array, message: string][] = [
  ["an empty file", new Uint8Array(0), "file.pt: the file is empty; copy it again"],
  [
    "a byte",
    text("P"),
    "file.pt: is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file",
  ],
  [
    "text",
    text("model: llama"),
    "file.pt: is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file",
  ],
  [
    "a pickle",
    writePickle(new Map()),
    "file.pt: is a bare pickle, not a checkpoint that torch saved; name a .pt or .pth file",
  ],
  ["the start of a zip", text("PK\x03\x04"), unreadable("file format is not recognized")],
  [
    "a zip of nothing",
    buildZip([], { zip64: false }),
    "file.pt: is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  [
    "a zip without data.pkl",
    buildZip(good.slice(1)),
    "file.pt: is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  [
    "data.pkl outside of a folder",
    buildZip(good.map((record) => ({ ...record, name: record.name.slice(6) }))),
    "file.pt: is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  [
    "data.pkl in a folder's folder",
    buildZip(good.map((record) => ({ ...record, name: `a/${record.name}` }))),
    "file.pt: is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  ["data in front", buildZip(good, { prefix: text("PK\x03\x04") }), unreadable("prepended data")],
  [
    "data in front that no offset counts",
    buildZip(good, { prefix: text("PK\x03\x04"), isShifted: true, zip64: false }),
    unreadable("prepended data"),
  ],
  [
    "data between the directory and the end",
    buildZip(good, { beforeEnd: text("x"), zip64: false }),
    unreadable("data between its directory and its end"),
  ],
  [
    "data between the directory and the zip64 end",
    buildZip(good, { beforeEnd: text("x") }),
    unreadable("its end records contradict each other"),
  ],
  ["data behind", buildZip(good, { suffix: text("x") }), unreadable("appended data")],
  [
    "a comment",
    buildZip(good, { end: { comment: text("x") } }),
    unreadable("a comment or other data at its end"),
  ],
  [
    "two ends",
    concat(buildZip(good), buildZip(good).slice(-98)),
    unreadable("its end records contradict each other"),
  ],
  [
    "two plain ends",
    concat(buildZip(good, { zip64: false }), buildZip(good, { zip64: false }).slice(-22)),
    unreadable("data between its directory and its end"),
  ],
  ["two zips", concat(buildZip(good), buildZip(good)), unreadable("its end records contradict each other")],
  [
    "an end with fewer records",
    buildZip(good, { end: { count: 3 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "an end with more records",
    buildZip(good, { end: { count: 5 } }),
    unreadable("central directory header not found"),
  ],
  [
    "a zip64 end with fewer records",
    buildZip(good, { zip64: { count: 3 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "both ends with fewer records",
    buildZip(good, { end: { count: 3 }, zip64: { count: 3 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a plain end with fewer records",
    buildZip(good, { end: { count: 3 }, zip64: false }),
    unreadable("data between its directory and its end"),
  ],
  [
    "an end with a shorter directory",
    buildZip(good, { end: { length: 46 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a zip64 end with a shorter directory",
    buildZip(good, { zip64: { length: 46 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "an end with another directory",
    buildZip(good, { zip64: { at: 3 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a locator that points elsewhere",
    buildZip(good, { zip64: { locator: 3 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a zip64 end that is needed and missing",
    buildZip(good, { end: outOfFields, zip64: false }),
    unreadable("end of Zip64 central directory locator not found"),
  ],
  [
    "a zip64 end with 2^53 records",
    buildZip(good, { end: outOfFields, zip64: { count: 2 ** 53 } }),
    unreadable("64-bit value exceeds Number.MAX_SAFE_INTEGER"),
  ],
  [
    "a zip64 end with a directory of 2^52 bytes",
    buildZip(good, { end: outOfFields, zip64: { length: 2 ** 52 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a zip64 end with a directory at 2^52",
    buildZip(good, { end: outOfFields, zip64: { at: 2 ** 52 } }),
    unreadable("mismatched central directory offset"),
  ],
  [
    "a zip64 locator that points to 2^52",
    buildZip(good, { end: outOfFields, zip64: { locator: 2 ** 52 } }),
    unreadable("its end records contradict each other"),
  ],
  [
    "a size without its zip64 field",
    buildZip(changed(2, { directory: { size: 0xffffffff, compressedSize: 0xffffffff } })),
    unreadable("missing zip64 extra field"),
  ],
  [
    "a size of 2^52",
    buildZip(changed(2, {
      directory: {
        size: 0xffffffff,
        compressedSize: 0xffffffff,
        extra: le([1, 2], [16, 2], [2 ** 52, 8], [2 ** 52, 8]),
      },
    })),
    "file.pt: model/data/0: the record ends past the end of the file; the file is truncated",
  ],
  ["two records of a name", buildZip([...good, good[2]!]), unreadable("duplicate filename")],
  [
    "two records of a name, else as torch writes it",
    render(
      layoutArchive([...good, good[2]!].map(({ name, data }) => ({ name: name.slice(6), bytes: data })), {
        stem: "model",
      }),
    ),
    "file.pt: model/data/0: the archive has two records of this name",
  ],
  [
    "a record outside the folder",
    buildZip([...good, { name: "other/x", data: text("x") }]),
    "file.pt: other/x: lies outside the archive's folder model, so torch didn't write it",
  ],
  [
    "a name with ..",
    buildZip([...good, { name: "model/../../x", data: text("x") }]),
    unreadable("unsafe filename"),
  ],
  [
    "an absolute name",
    buildZip([...good, { name: "/model/x", data: text("x") }]),
    unreadable("unsafe filename"),
  ],
  [
    "a drive's name",
    buildZip([...good, { name: "C:/model/x", data: text("x") }]),
    unreadable("unsafe filename"),
  ],
  [
    "a directory",
    buildZip([...good, { name: "model/data/", data: text("") }]),
    "file.pt: model/data/: is a directory, so torch didn't write the archive",
  ],
  [
    "a compressed record",
    buildZip(changed(2, { directory: { method: 8 }, local: { method: 8 } })),
    "file.pt: model/data/0: the record is compressed, which torch never does; " +
    "unpack the file and pack it again without compression (zip -0)",
  ],
  [
    "an encrypted record",
    buildZip(changed(2, { directory: { flags: 1 }, local: { flags: 1 } })),
    "file.pt: model/data/0: the record is encrypted, which torch never does",
  ],
  [
    "a record of two lengths",
    buildZip(changed(2, { directory: { compressedSize: 7 } })),
    "file.pt: model/data/0: the record has two lengths, so the archive is damaged",
  ],
  [
    "records out of order",
    buildZip(changed(2, { directory: { headerAt: 40 } })),
    unreadable("unsorted central directory"),
  ],
  [
    "records at one place",
    buildZip(changed(2, { directory: { headerAt: storageAt - 51 } })),
    "file.pt: model/byteorder: the record overlaps another; the file is damaged",
  ],
  [
    "a record that reaches into the next",
    buildZip(
      changed(2, { directory: { size: 30, compressedSize: 30 }, local: { size: 30, compressedSize: 30 } }),
    ),
    "file.pt: model/data/0: the record overlaps another; the file is damaged",
  ],
  [
    "a header that reaches into the next record",
    patched(buildZip(good), storageAt + 28, 9),
    "file.pt: data/0: the record overlaps another; the file is damaged",
  ],
  [
    "a record that ends past the file",
    buildZip(changed(3, { directory: { size: 9999, compressedSize: 9999 } })),
    "file.pt: model/version: the record ends past the end of the file; the file is truncated",
  ],
  ["a local header of another name", buildZip(changed(2, { local: { name: "model/data/1" } })), contradicts],
  [
    "a local header of a longer name",
    buildZip(changed(2, { local: { name: "model/data/01" } })),
    contradicts,
  ],
  ["a local header of another method", buildZip(changed(2, { local: { method: 8 } })), contradicts],
  ["a local header of an encrypted record", buildZip(changed(2, { local: { flags: 1 } })), contradicts],
  ["a local header of another length", buildZip(changed(2, { local: { size: 7 } })), contradicts],
  ["a local header of another CRC-32", buildZip(changed(2, { local: { crc: 7 } })), contradicts],
  [
    "a record without a local header",
    buildZip(changed(2, { local: { signature: 0x04034b51 } })),
    `file.pt: data/0: no local header at byte ${storageAt}, so the archive is damaged`,
  ],
  [
    "records without checksums, as torch writes them where it is told to",
    buildZip(good.map((record) => ({ ...record, directory: { crc: 0 }, local: { crc: 0 } }))),
    "file.pt: byteorder: states no checksum (torch.serialization.set_crc32_options(False)), so damage couldn't be " +
    "told; load the file with torch and torch.save it again, with checksums",
  ],
  [
    "a bad CRC-32 of data.pkl",
    buildZip(changed(0, { directory: { crc: 5 }, local: { crc: 5 } })),
    "file.pt: data.pkl: the record is damaged (its CRC-32 doesn't match); copy the file again",
  ],
  [
    "a big-endian file",
    buildZip(changed(1, { data: text("big") })),
    "file.pt: byteorder: the tensors are not little-endian; load the file with torch on a little-endian machine and " +
    "torch.save it again",
  ],
  [
    "a missing storage",
    buildZip(good.filter((_, i) => i !== 2)),
    "file.pt: a: its record data/0 is missing; the file is damaged or incomplete",
  ],
  [
    "a storage that is too short",
    buildZip(changed(2, { data: text("1234567") })),
    "file.pt: a: its record data/0 has 7 bytes, but 8 are needed; the file is damaged",
  ],
  [
    "a storage that is too long",
    buildZip(changed(2, { data: text("123456789") })),
    "file.pt: a: its record data/0 has 9 bytes, but 8 are needed; the file is damaged",
  ],
  [
    "a pickle that names a function",
    torchFile(concat(Uint8Array.of(0x80, 2), text("cos\nsystem\nq\0."))),
    "file.pt: data.pkl: names os.system at byte 2, which no model's weights need; " +
    "ckpt runs nothing from a file, so save the weights alone (a state dict)",
  ],
];

for (const [what, bytes, message] of hostile) {
  Deno.test(`openArchive() refuses ${what}`, async () => {
    await assertFailsAsync(() => open(bytes), FormatError, message);
  });
}

Deno.test("openArchive() isn't fooled by a Unicode path that differs from the name", async () => {
  const raw = text("model/data/0");
  const extra = le([0x7075, 2], [5 + 12, 2], [1, 1], [crc32(raw), 4], text("model/data/1"));
  const flags = 0; // With the flag for UTF-8 names such a path doesn't count.
  assertEquals(await open(buildZip(changed(2, { directory: { extra } }))), ["a"]);
  await assertFailsAsync(
    () => open(buildZip(changed(2, { directory: { extra, flags }, local: { flags } }))),
    FormatError,
    "file.pt: model/data/1: the record has another name in its directory's bytes, which torch never writes and others " +
      "read differently; unpack the file and pack it again without compression (zip -0)",
  );
});

const sample = Deno.readFileSync(fixturePath("2.13.0/plain/model.pt"));

Deno.test("openArchive() refuses a file that is truncated anywhere", async () => {
  for (let length = 0; length < sample.length; length++) {
    let error: unknown;
    try {
      await open(sample.slice(0, length));
    } catch (thrown) {
      error = thrown;
    }
    assertEquals((error as Error)?.constructor, FormatError, `truncated to ${length}: ${error}`);
  }
});

/** Opens a damaged file: it may be whole still, but nothing but a FormatError may come of it. */
async function assertOpensOrRefuses(bytes: Uint8Array, what: string): Promise<boolean> {
  try {
    const file = await openTorchFile(memorySource(bytes));
    for (const { storage } of stateOf(file).values()) {
      const { view } = storage;
      assertEquals(view.op === "bytes" && view.offset + view.rows <= bytes.length, true, what);
    }
    return true;
  } catch (error) {
    assertEquals((error as Error).constructor, FormatError, `${what}: ${(error as Error).stack}`);
    return false;
  }
}

Deno.test("openArchive() never fails in another way, whichever byte is damaged", async () => {
  // These records are read, so that their CRC-32 is checked. That of storages is checked when they are copied.
  const checked = walkArchive(sample).filter(({ name }) => /\/(data\.pkl|byteorder)$/.test(name));
  let opened = 0;
  for (let at = 0; at < sample.length; at++) {
    const isChecked = checked.some(({ dataAt, data }) => at >= dataAt && at < dataAt + data.length);
    for (const mask of [0x01, 0xff]) {
      const damaged = sample.slice();
      damaged[at]! ^= mask;
      const isOpen = await assertOpensOrRefuses(damaged, `byte ${at} with ${mask}`);
      if (isChecked) assertEquals(isOpen, false, `byte ${at} with ${mask}`);
      if (isOpen) opened++;
    }
  }
  assertEquals(opened > 0, true); // Padding and storages.
});

Deno.test("openTorchFile() never fails in another way, whatever is in the pickle", async () => {
  const random = new Random(11);
  for (const [name] of casesOf("2.13.0")) {
    const walked = walkArchive(Deno.readFileSync(fixturePath(`2.13.0/${name}/model.pt`)));
    const stem = walked[0]!.name.split("/")[0]!;
    const records = walked.map(({ name, data }) => ({ name: name.slice(stem.length + 1), bytes: data }));
    for (let n = 0; n < 150; n++) {
      const pickle = records[0]!.bytes.slice();
      for (let k = random.integer(1, 4); k > 0; k--) {
        const at = random.integer(2, pickle.length - 1);
        pickle[at] = random.pick([
          random.integer(0, 255),
          pickle[random.integer(2, pickle.length - 1)]!,
          0x52,
          0x85,
          0x30,
        ]);
      }
      const layout = layoutArchive([{ name: "data.pkl", bytes: pickle }, ...records.slice(1)], { stem });
      await assertOpensOrRefuses(render(layout), `${name} ${n}: ${pickle.toHex()}`);
    }
  }
});

for (const version of versions) {
  for (const [name, { records, source }] of bigArchives(version)) {
    Deno.test(`openArchive() reads what torch ${version} writes around 4 GiB: ${name}`, async () => {
      const file = await openTorchFile(source);
      const { archive } = file;
      for (const { name: full, header_at, data_at, size, crc } of records) {
        const record = archive.records.get(full.slice(name.length + 1))!;
        assertEquals([record.headerOffset, record.size, record.crc], [header_at, size, crc]);
        assertEquals(await archive.locate(record), data_at);
      }
      assertEquals(stateOf(file).size, records.filter((record) => record.name.includes("/data/")).length);
    });
  }
}

Deno.test("openTorchFile() reads no storage", async () => {
  const reads: [number, number][] = [];
  await openTorchFile(memorySource(sample, reads));
  const storages = walkArchive(sample).filter(({ name }) => name.includes("/data/"));
  for (const { dataAt, data } of storages) {
    for (const [offset, length] of reads) {
      assertEquals(offset < dataAt + data.length && dataAt < offset + length, false, `${offset} ${length}`);
    }
  }
});

/** An archive of one record. */
function archiveOf(bytes: Uint8Array, size = bytes.length): Archive {
  const record = { name: "x", headerOffset: 0, size, crc: crc32(bytes) };
  return {
    source: memorySource(bytes),
    stem: "s",
    records: new Map([["x", record]]),
    locate: () => Promise.resolve(0),
  };
}

Deno.test("readRecord() gives a record, if there is one", async () => {
  assertEquals(await readRecord(archiveOf(text("abc")), "x"), text("abc"));
  assertEquals(await readRecord(archiveOf(text("abc")), "y"), undefined);
});

Deno.test("readRecord() refuses long records before it reads them", async () => {
  await assertFailsAsync(
    () => readRecord(archiveOf(text("abc"), MAX_TABLE_BYTES + 1), "x"),
    FormatError,
    `file.pt: x: has ${MAX_TABLE_BYTES + 1} bytes, more than the ${MAX_TABLE_BYTES} that ckpt reads`,
  );
});

Deno.test("openArchive() passes on what the source fails with", async () => {
  for (const bytes of [sample, buildZip(good)]) {
    for (let fail = 0;; fail++) {
      const source = memorySource(bytes);
      let reads = 0;
      const failing = {
        ...source,
        read(offset: number, length: number) {
          if (reads++ === fail) throw new FileError("no connection");
          return source.read(offset, length);
        },
      };
      let error: Error | undefined;
      try {
        await openTorchFile(failing);
      } catch (thrown) {
        error = thrown as Error;
      }
      if (error === undefined) break;
      assertEquals([error.constructor, error.message], [FileError, "no connection"], `read ${fail}`);
    }
  }
});
