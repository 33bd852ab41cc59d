import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { readTorchDirectory } from "../../lib/torch/torch_directory.ts";
import { readZipDirectory } from "../../lib/torch/zip_directory.ts";
import { bigArchives, casesOf, fixturePath, versions, walkArchive } from "./_fixtures.ts";
import { buildZip, memorySource, text } from "./_zip.ts";

for (const version of versions) {
  Deno.test(`readTorchDirectory() reads what torch ${version} wrote, like zip.js`, async () => {
    for (const [name] of casesOf(version)) {
      for (const file of ["model.pt", "consolidated.00.pth"]) {
        const bytes = Deno.readFileSync(fixturePath(`${version}/${name}/${file}`));
        const expected = walkArchive(bytes).map(({ name, headerAt, data }) => ({
          name,
          headerOffset: headerAt,
          size: data.length,
          crc: crc32(data),
        }));
        assertEquals(await readTorchDirectory(memorySource(bytes)), expected, name);
        assertEquals(await readZipDirectory(memorySource(bytes)), expected, name);
      }
    }
  });
}

for (const version of versions) {
  for (const [name, { records, source }] of bigArchives(version)) {
    Deno.test(`readTorchDirectory() reads what torch ${version} wrote around 4 GiB, like zip.js: ${name}`, async () => {
      const expected = records.map(({ name, header_at, size, crc }) => ({
        name,
        headerOffset: header_at,
        size,
        crc,
      }));
      assertEquals(await readTorchDirectory(source), expected);
      assertEquals(await readZipDirectory(source), expected);
    });
  }
}

const sample = Deno.readFileSync(fixturePath("2.13.0/plain/model.pt"));
const directoryAt = new DataView(sample.buffer).getUint32(sample.length - 6, true);

Deno.test("readTorchDirectory() leaves a file to others where a byte of its end is another", async () => {
  const records = (await readTorchDirectory(memorySource(sample)))!;
  // What a directory may say of a record: its CRC-32, size and place, and its name.
  const free = new Set<number>();
  let at = directoryAt;
  for (const { name } of records) {
    for (const field of [16, 20, 24, 42]) for (let i = 0; i < 4; i++) free.add(at + field + i);
    for (let i = 0; i < name.length; i++) free.add(at + 46 + i);
    at += 46 + name.length;
  }
  for (let at = directoryAt; at < sample.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const damaged = sample.slice();
      damaged[at]! ^= mask;
      const found = await readTorchDirectory(memorySource(damaged));
      if (!free.has(at)) assertEquals(found, undefined, `byte ${at - directoryAt} with ${mask}`);
    }
  }
});

Deno.test("readTorchDirectory() leaves other archives to others", async () => {
  const record = { name: "model/data.pkl", data: text("x") };
  for (
    const bytes of [
      new Uint8Array(0),
      new Uint8Array(97),
      new Uint8Array(500),
      text("PK\x03\x04".padEnd(200, "x")),
      buildZip([record]),
      buildZip([record], { zip64: false }),
      sample.slice(0, -1),
      sample.slice(1),
      sample.slice(directoryAt),
    ]
  ) {
    assertEquals(await readTorchDirectory(memorySource(bytes)), undefined);
  }
});

Deno.test("readTorchDirectory() reads twice, and nothing but the end", async () => {
  const reads: [number, number][] = [];
  await readTorchDirectory(memorySource(sample, reads));
  assertEquals(reads, [[sample.length - 98, 98], [directoryAt, sample.length - directoryAt]]);
});
