import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { FormatError } from "../../lib/error.ts";
import { writePickle } from "../../lib/pickle/mod.ts";
import { openArchive } from "../../lib/torch/archive.ts";
import { checkArchive } from "../../lib/torch/check_archive.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { renderArchive } from "../fuzz/_torch_mutator.ts";
import { casesOf, fixturePath, versions, walkArchive } from "./_fixtures.ts";
import { buildZip, concat, le, memorySource, text, type ZipRecord } from "./_zip.ts";

/** What is wrong with an archive, if anything is: what `verify` does but for tensors. */
async function problemOf(bytes: Uint8Array): Promise<string | undefined> {
  try {
    const archive = await openArchive(memorySource(bytes));
    await checkArchive(archive);
    for (const record of archive.records.values()) {
      const at = await archive.locate(record);
      if (crc32(bytes.subarray(at, at + record.size)) !== record.crc) return `${record.name}: crc`;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message.replace("file.pt: ", "");
  }
}

/** The bits of an archive whose flip nothing notices, as fields by name. */
async function unnoticed(bytes: Uint8Array, fieldAt: (at: number) => string): Promise<string[]> {
  const fields = new Map<string, number>();
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << bit;
      if (await problemOf(flipped) !== undefined) continue;
      const field = fieldAt(at);
      fields.set(field, (fields.get(field) ?? 0) + 1);
    }
  }
  return [...fields].map(([field, bits]) => `${field}: ${bits} bits`);
}

const records = [
  { name: "data.pkl", bytes: writePickle(new Map()) },
  { name: "data/0", bytes: text("12345678") },
  { name: "data/1", bytes: new Uint8Array(0) },
  { name: "version", bytes: text("3\n") },
];

Deno.test("checkArchive() finds nothing wrong with what torch wrote", async () => {
  for (const version of versions) {
    for (const [name] of casesOf(version)) {
      const bytes = Deno.readFileSync(fixturePath(`${version}/${name}/model.pt`));
      assertEquals(await problemOf(bytes), undefined, `${version} ${name}`);
    }
  }
});

Deno.test("checkArchive() notices every bit of torch's archives that flips", async () => {
  const bytes = renderArchive(records, "m");
  assertEquals(await problemOf(bytes), undefined);
  assertEquals(await unnoticed(bytes, String), []);
});

const others: readonly ZipRecord[] = records.map(({ name, bytes }) => ({ name: `m/${name}`, data: bytes }));

/** What the bytes of a directory's entry and of a local header are, by where they start. */
const entryFields: readonly (readonly [at: number, name: string])[] = [
  ...[[0, "signature"], [4, "made by"], [6, "needs"], [8, "flags"], [10, "method"], [12, "time"]] as const,
  ...[[16, "crc"], [20, "compressed size"], [24, "size"], [28, "name length"], [30, "extra length"]] as const,
  ...[[32, "comment length"], [34, "disk"], [36, "internal attributes"], [38, "attributes"]] as const,
  ...[[42, "header at"], [46, "name and extra field"]] as const,
];

/** Names the field at a place of an archive without zip64 end records. */
function fieldNamer(bytes: Uint8Array): (at: number) => string {
  const view = new DataView(bytes.buffer);
  const directory = view.getUint32(bytes.length - 6, true);
  return (at) => {
    if (at < directory) return "record";
    let p = directory;
    while (view.getUint32(p, true) === 0x02014b50) {
      const next = p + 46 + view.getUint16(p + 28, true) + view.getUint16(p + 30, true);
      if (at < next) return entryFields.findLast(([start]) => start <= at - p)![1];
      p = next;
    }
    return "end record";
  };
}

Deno.test("checkArchive() notices bits that flip in other writers' archives, but for what no reader of weights reads", async () => {
  const plain = buildZip(others, { zip64: false });
  assertEquals(await problemOf(plain), undefined);
  assertEquals(await unnoticed(plain, fieldNamer(plain)), [
    // The program and system that made it, for whoever sets modes; torch and Python keep it, and look at none of it.
    "made by: 64 bits",
    // Whether a descriptor follows the data, for whoever reads without a directory and so reads the local header.
    "flags: 4 bits",
    // Whether it seems to be a text: read by nobody.
    "internal attributes: 64 bits",
    // Modes of files, for whoever unpacks it. The mark of a directory isn't among them: torch reads that.
    "attributes: 120 bits",
  ]);
});

Deno.test("checkArchive() compares descriptors and local headers of other writers with the directory", async () => {
  const [first, second, ...rest] = others as [ZipRecord, ZipRecord, ...ZipRecord[]];
  const crc = crc32(second.data);
  const size = second.data.length;
  const signature = [0x08074b50, 4] as const;
  for (
    const descriptor of [
      le(signature, [crc, 4], [size, 4], [size, 4]),
      le([crc, 4], [size, 4], [size, 4]),
      le(signature, [crc, 4], [size, 8], [size, 8]),
      le([crc, 4], [size, 8], [size, 8]),
    ]
  ) {
    const streamed = (behind: Uint8Array) => {
      const local = { flags: 0x0808, crc: 0, size: 0, compressedSize: 0 };
      const before = buildZip([first, { ...second, local }], { zip64: false });
      // What lies behind a record's data is no part of it for the builder, so it is put in front of the next header.
      const at = walkEnd(before);
      const table = before.subarray(at);
      const bytes = concat(before.subarray(0, at), behind, table);
      new DataView(bytes.buffer).setUint32(bytes.length - 6, at + behind.length, true);
      return bytes;
    };
    assertEquals(await problemOf(streamed(descriptor)), undefined);
    for (let at = 0; at < descriptor.length; at++) {
      const flipped = descriptor.slice();
      flipped[at]! ^= 4;
      assertEquals(
        await problemOf(streamed(flipped)),
        "data/0: the descriptor behind it contradicts the directory, so the archive is damaged; " +
          "get it again from where it was written",
      );
    }
  }
  for (const local of [{ compressedSize: 7 }, { size: 7 }, { crc: 7 }, { flags: 0 }]) {
    assertEquals(
      (await problemOf(buildZip([first, { ...second, local }, ...rest], { zip64: false })))!
        .startsWith("data/0: the local header contradicts the"),
      true,
    );
  }
});

/** Where the directory of an archive without zip64 end records starts. */
function walkEnd(bytes: Uint8Array): number {
  return new DataView(bytes.buffer).getUint32(bytes.length - 6, true);
}

Deno.test("checkArchive() says what of torch's archive is damaged", async () => {
  const bytes = renderArchive(records, "m");
  const [, storage] = walkArchive(bytes);
  const broken = (at: number) => {
    const copy = bytes.slice();
    copy[at]! ^= 1;
    return copy;
  };
  const behind = ", so the archive is damaged; get it again from where it was written";
  for (
    const [at, what] of [
      // The compressed size of the local header, the padding, the descriptor, the version in the directory.
      [storage!.headerAt + 18, "data/0: the local header isn't the one that torch writes"],
      [storage!.dataAt - 1, "data/0: the local header isn't the one that torch writes"],
      [storage!.dataAt + 8 + 9, "data/0: the descriptor behind it contradicts the directory"],
      [
        bytes.length - 98 - 4 * 46 - "m/data.pklm/data/0m/data/1m/version".length + 4,
        "the directory isn't the one that torch writes for these records",
      ],
    ] as const
  ) {
    await assertFailsAsync(
      async () => await checkArchive(await openArchive(memorySource(broken(at)))),
      FormatError,
      `file.pt: ${what}${behind}`,
    );
  }
});
