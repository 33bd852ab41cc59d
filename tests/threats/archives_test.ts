/**
 * Archives that say one thing to one reader and another to the next.
 */

import { assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { writePickle } from "../../lib/pickle/mod.ts";
import { readTorchDirectory } from "../../lib/torch/torch_directory.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { renderArchive } from "../fuzz/_torch_mutator.ts";
import { fixturePath, stateOf, walkArchive } from "../torch/_fixtures.ts";
import { buildZip, concat, memorySource, text } from "../torch/_zip.ts";

const sample = Deno.readFileSync(fixturePath("2.13.0/plain/model.pt"));
const records = walkArchive(sample).map(({ name, data }) => ({
  name: name.slice("model/".length),
  bytes: data,
}));
const names = ["tensor of 2 numbers"];

/** What a file's tensors are called. */
async function open(bytes: Uint8Array): Promise<string[]> {
  return [...stateOf(await openTorchFile(memorySource(bytes))).keys()];
}

const expected = await open(sample);

Deno.test("openTorchFile() opens no archive in an archive", async () => {
  // Its end records lie within a storage, right before those of the outer one.
  const inner = renderArchive([{ name: "data.pkl", bytes: writePickle(names) }], "model");
  const outer = renderArchive([...records, { name: "data/inner", bytes: inner }], "model");
  assertEquals(await open(outer), expected);
  const twice = renderArchive([...records, { name: "data/outer", bytes: outer }], "model");
  assertEquals(await open(twice), expected);
  // What is left of the outer one ends as the inner one does.
  const at = outer.length - 98 - 46 * (records.length + 1);
  for (let cut = outer.length - 1; cut > at; cut -= 7) {
    await assertFailsAsync(
      () => open(outer.slice(0, cut)),
      FormatError,
      "file.pt: the zip archive can't be read (end of central directory not found); " +
        "it is truncated or damaged, so copy it again",
    ).catch((error) => {
      // zip.js finds the inner end, and that it isn't at the file's.
      if (!/appended data|contradict|comment|not found|mismatched/.test(String(error))) throw error;
    });
  }
});

Deno.test("openTorchFile() refuses a comment that holds other end records", async () => {
  const good = buildZip(records.map(({ name, bytes }) => ({ name: `model/${name}`, data: bytes })), {
    zip64: false,
  });
  const other = buildZip([{ name: "model/data.pkl", data: writePickle(names) }], { zip64: false });
  for (const comment of [good.slice(-22), other.slice(-22), other]) {
    const commented = concat(good, comment);
    new DataView(commented.buffer).setUint16(good.length - 2, comment.length, true);
    let message = "";
    try {
      await open(commented);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      message = error.message;
    }
    assertEquals(message.startsWith("file.pt: the zip archive can't be read ("), true, message);
  }
});

Deno.test("readTorchDirectory() leaves names to zip.js that zip.js wouldn't have", async () => {
  for (const name of ["", "../x", "a/../x", "./x", "a//x", "x/", "a\\x", "a\0", "a\x1b[2J", "\u2028/../x"]) {
    const bytes = renderArchive([...records, { name, bytes: text("x") }], "model");
    assertEquals(await readTorchDirectory(memorySource(bytes)), undefined, JSON.stringify(name));
  }
  for (const stem of ["..", ".", "C:", "a\\b"]) {
    assertEquals(await readTorchDirectory(memorySource(renderArchive(records, stem))), undefined, stem);
  }
  for (const stem of ["my model", "модель", "a.b..c", "...x", "-"]) {
    assertEquals(
      (await readTorchDirectory(memorySource(renderArchive(records, stem))))?.length,
      records.length,
      stem,
    );
  }
});

Deno.test("readTorchDirectory() leaves records out of order to zip.js", async () => {
  const bytes = sample.slice();
  const view = new DataView(bytes.buffer);
  const directory = view.getUint32(bytes.length - 6, true);
  const second = directory + 46 + view.getUint16(directory + 28, true);
  const third = second + 46 + view.getUint16(second + 28, true);
  const [a, b] = [view.getUint32(second + 42, true), view.getUint32(third + 42, true)];
  view.setUint32(second + 42, b, true);
  view.setUint32(third + 42, a, true);
  assertEquals(await readTorchDirectory(memorySource(bytes)), undefined);
  await assertFailsAsync(
    () => open(bytes),
    FormatError,
    "file.pt: the zip archive can't be read (unsorted central directory); it is truncated or damaged, so copy it again",
  );
});

Deno.test("openTorchFile() opens archives of any stem that torch gives one", async () => {
  // zip.js alone mistakes an entry of 76 bytes for torch's end records: that of data.pkl, after 21 letters.
  for (let length = 1; length < 40; length++) {
    assertEquals(await open(renderArchive(records, "m".repeat(length))), expected, String(length));
  }
});

Deno.test("openTorchFile() takes names that only look alike for different ones, as torch does", async () => {
  const key = records.find(({ name }) => name.startsWith("data/"))!.name;
  const lies = new Uint8Array(records.find(({ name }) => name === key)!.bytes.length).fill(0x7f);
  for (const name of [`${key}\u0301`, key.replace("data", "d\u0430ta"), "K", "\u212a"]) {
    for (const all of [[{ name, bytes: lies }, ...records], [...records, { name, bytes: lies }]]) {
      const file = await openTorchFile(memorySource(
        buildZip(all.map(({ name, bytes }) => ({ name: `model/${name}`, data: bytes })), { zip64: false }),
      ));
      assertEquals(file.storages.get(key.slice("data/".length))!.size, lies.length);
      const crc = file.archive.records.get(key)!.crc;
      assertEquals(file.storages.get(key.slice("data/".length))!.storage.crc, crc, JSON.stringify(name));
    }
  }
});
