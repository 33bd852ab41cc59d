import { assertEquals } from "@std/assert";
import { completeLiterals } from "../../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import {
  centralDirectory,
  dataDescriptor,
  directoryBytes,
  layoutArchive,
  localHeader,
  type NewRecord,
  newRecordBytes,
  type PlacedRecord,
  placeRecords,
  recordEnd,
  serializationIdRecord,
} from "../../lib/torch/archive_layout.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { bigArchives, casesOf, fixturePath, render, versions, walkArchive } from "./_fixtures.ts";

for (const version of versions) {
  for (const [name] of casesOf(version)) {
    for (const file of ["model.pt", "consolidated.00.pth"]) {
      Deno.test(`layoutArchive() lays out ${version}/${name}/${file} as torch did`, () => {
        const path = fixturePath(`${version}/${name}/${file}`);
        const expected = Deno.readFileSync(path);
        const walked = walkArchive(expected);
        const stem = walked[0]!.name.split("/")[0]!;
        const id = new TextDecoder().decode(walked.at(-1)!.data);
        const records = walked.slice(0, -1).map((record): NewRecord => {
          const name = record.name.slice(stem.length + 1);
          // Some of the data in the layout, some in the file.
          return name.startsWith("data/")
            ? { name, view: bytes(path, record.dataAt, record.data.length) }
            : { name, bytes: record.data };
        });
        const layout = layoutArchive([...records, serializationIdRecord()], {
          stem,
          nameDigits: id.slice(0, 20),
          ...(name.startsWith("aligned_") ? { alignment: Number(name.slice(8)) } : {}),
        });
        assertEquals(render(layout).toHex(), expected.toHex());
      });
    }
  }
}

for (const version of versions) {
  for (const [name, { records, directory_at, end, size }] of bigArchives(version)) {
    const stem = records[0]!.name.split("/")[0]!;
    const sizes = records.map((record) => ({ name: record.name.slice(stem.length + 1), size: record.size }));
    const placed = placeRecords(stem, sizes, 64)!;

    Deno.test(`placeRecords() places records around 4 GiB as torch ${version} did: ${name}`, () => {
      assertEquals(
        placed.map(({ headerAt, dataAt }) => [headerAt, dataAt]),
        records.map(({ header_at, data_at }) => [header_at, data_at]),
      );
      assertEquals(recordEnd(placed.at(-1)!), directory_at);
    });

    Deno.test(`localHeader() and dataDescriptor() around 4 GiB are those of torch ${version}: ${name}`, () => {
      records.forEach(({ local, descriptor, crc }, i) => {
        assertEquals(localHeader(placed[i]!).toHex(), local);
        assertEquals(dataDescriptor(placed[i]!, crc).toHex(), descriptor);
      });
    });

    Deno.test(`centralDirectory() around 4 GiB is that of torch ${version}: ${name}`, () => {
      const crcs = records.map(({ crc }) => crc);
      assertEquals(centralDirectory(placed, crcs, directory_at).toHex(), end);
      assertEquals(directory_at + directoryBytes(placed), size);
    });

    Deno.test(`layoutArchive() copies records around 4 GiB to where torch ${version} put them: ${name}`, () => {
      const newRecords = records.map(({ name, size, data }): NewRecord => ({
        name: name.slice(stem.length + 1),
        ...(data === null ? { view: bytes("big", 7, size) } : { bytes: Uint8Array.fromHex(data) }),
      }));
      const id = new TextDecoder().decode((newRecords.at(-1) as { bytes: Uint8Array }).bytes);
      const layout = layoutArchive(newRecords, { stem, nameDigits: id.slice(0, 20) });
      const large = records.filter(({ data }) => data === null);
      assertEquals(layout.size, size);
      assertEquals(
        layout.copies.map(({ crcPlaces: _, ...copy }) => copy),
        large.map((record) => ({
          label: record.name.slice(stem.length + 1),
          at: record.data_at,
          view: bytes("big", 7, record.size),
        })),
      );
      const literals = completeLiterals(layout, large.map(({ crc }) => crc));
      // One before, between and after the copies, without gaps.
      assertEquals(literals.map(({ at }) => at), [0, ...large.map(({ data_at, size }) => data_at + size)]);
      assertEquals(literals.map(({ at, bytes }) => at + bytes.length), [
        ...large.map(({ data_at }) => data_at),
        size,
      ]);
      for (const { header_at, local, data_at, data } of records) {
        const { at, bytes } = literals.findLast(({ at }) => at <= header_at)!;
        const found = bytes.subarray(header_at - at).toHex();
        assertEquals(found.slice(0, local.length), local);
        if (data !== null) assertEquals(found.slice(2 * (data_at - header_at)).slice(0, data.length), data);
      }
      assertEquals(literals.at(-1)!.bytes.toHex().endsWith(end), true);
    });
  }
}

Deno.test("placeRecords() spreads slack over extra fields, as much as each can hold", () => {
  const sizes = [{ name: "a", size: 10 }, { name: "b", size: 20 }, { name: "c", size: 30 }];
  const dataAt = (slack: number) => placeRecords("s", sizes, 64, 0, slack)?.map((record) => record.dataAt);
  const most = 65472; // The multiple of 64 that leaves room for the field's own padding.
  assertEquals(dataAt(0), [64, 128, 256]);
  assertEquals(dataAt(64), [128, 192, 320]);
  assertEquals(dataAt(most), [64, 128, 256].map((at) => at + most));
  assertEquals(dataAt(most + 64), [64 + most, 192 + most, 320 + most]);
  assertEquals(dataAt(3 * most), [64 + most, 128 + 2 * most, 256 + 3 * most]);
  assertEquals(dataAt(3 * most + 64), undefined);
  for (const record of placeRecords("s", sizes, 64, 0, 3 * most)!) {
    const header = localHeader(record);
    assertEquals(header.length, record.dataAt - record.headerAt);
    const view = new DataView(header.buffer);
    assertEquals(view.getUint16(28, true), header.length - 33);
    assertEquals(view.getUint16(35, true), header.length - 37);
  }
});

Deno.test("placeRecords() starts anywhere", () => {
  assertEquals(
    placeRecords("s", [{ name: "a", size: 10 }], 64, 100)!.map(({ headerAt, dataAt }) => [headerAt, dataAt]),
    [[100, 192]],
  );
  assertEquals(placeRecords("s", [], 64, 100), []);
});

Deno.test("layoutArchive() counts more records than 16 bits can", () => {
  const count = 70_000;
  const records = Array.from(
    { length: count },
    (_, i): NewRecord => ({ name: `data/${i}`, bytes: Uint8Array.of(i) }),
  );
  const { size, literals } = layoutArchive(records, { stem: "s" });
  const [all, ...none] = literals;
  assertEquals([all!.at, all!.bytes.length, none], [0, size, []]);
  const view = new DataView(all!.bytes.buffer, all!.bytes.byteOffset);
  const end = size - 22;
  assertEquals([8, 10].map((at) => view.getUint16(end + at, true)), [0xffff, 0xffff]);
  const zip64 = end - 20 - 56;
  assertEquals([24, 32].map((at) => Number(view.getBigUint64(zip64 + at, true))), [count, count]);
  let entries = 0;
  for (let at = view.getUint32(end + 16, true); at < zip64; entries++) {
    assertEquals(view.getUint32(at, true), 0x02014b50);
    at += 46 + view.getUint16(at + 28, true);
  }
  assertEquals(entries, count);
});

Deno.test("layoutArchive() writes names in UTF-8", () => {
  const file = render(layoutArchive([{ name: "data.pkl", bytes: Uint8Array.of(1) }], { stem: "modèle" }));
  assertEquals(walkArchive(file).map(({ name }) => name), ["modèle/data.pkl"]);
});

Deno.test("layoutArchive() of nothing is an empty zip", () => {
  const file = render(layoutArchive([], { stem: "s" }));
  assertEquals(walkArchive(file), []);
});

Deno.test("layoutArchive() makes the serialization id of the records before it that have data", () => {
  const records: NewRecord[] = [
    { name: "a", bytes: Uint8Array.of(1) },
    { name: "b", view: bytes("f", 0, 3) },
    { name: "none", view: bytes("f", 0, 0) },
    serializationIdRecord(),
  ];
  const hash = (digits: string, records: NewRecord[], crcs: number[]) => {
    const layout = layoutArchive(records, { stem: "s", nameDigits: digits });
    const { at, bytes } = completeLiterals(layout, crcs).at(-1)!;
    const text = new TextDecoder().decode(bytes.subarray(layout.digest!.at - at));
    return text.slice(0, 40);
  };
  assertEquals(hash("", [serializationIdRecord()], []), "0".repeat(40));
  const zero: NewRecord = { name: "zero", view: bytes("f", 0, 3) };
  assertEquals(
    hash("12", [zero, serializationIdRecord()], [0]),
    "00000000000000000012" + "00000000002654435769",
  );
  // boost's hash_combine, worked out step by step.
  let expected = 0n;
  for (const crc of [crc32(Uint8Array.of(1)), 77]) {
    expected = (expected ^ (BigInt(crc) + 0x9e3779b9n + (expected << 6n) + (expected >> 2n))) % (1n << 64n);
  }
  assertEquals(hash("5", records, [77, 0]), "5".padStart(20, "0") + `${expected}`.padStart(20, "0"));
  assertEquals(records.map(newRecordBytes), [1, 3, 0, 40]);
});

Deno.test("centralDirectory() of no records is 98 bytes", () => {
  const none: PlacedRecord[] = [];
  assertEquals(directoryBytes(none), 98);
  assertEquals(centralDirectory(none, [], 0).length, 98);
});
