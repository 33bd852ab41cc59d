/**
 * The limits on tables of contents: what is just allowed, and what isn't; and that a real model is far below.
 */

import { assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { ConfigError } from "../../lib/models/config_error.ts";
import { parseModelYaml } from "../../lib/layouts/fairseq2/model_yaml.ts";
import { readPickle } from "../../lib/pickle/mod.ts";
import { SafetensorsError } from "../../lib/safetensors/error.ts";
import { parseHeaderLength } from "../../lib/safetensors/header.ts";
import { MAX_READ_HEADER_BYTES, maxHeaderValues } from "../../lib/safetensors/limits.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { maxDirectoryBytes, tableLimits } from "../../lib/torch/table_limits.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { pickle, repeat } from "../pickle/assemble.ts";
import { realPickles } from "../pickle/corpus.ts";
import { fileOf } from "../safetensors/_files.ts";
import { memorySource } from "../torch/_zip.ts";
import { torchOfRecords, torchWith, zipOfRecords } from "./_hostile.ts";

Deno.test("tableLimits() lets the pickle of LLaMA 3.1 405B pass four times over, whatever the size of the file", () => {
  const { opcodes, objects, memoEntries } = tableLimits(0);
  const limits = {
    opcodes: Math.floor(opcodes! / 4),
    objects: Math.floor(objects! / 4),
    memoEntries: Math.floor(memoEntries! / 4),
  };
  const big = realPickles.find(({ name }) => name.includes("405b"))!;
  readPickle(big.bytes, { limits });
});

Deno.test("tableLimits() and maxDirectoryBytes() grow with the file, up to a limit", () => {
  assertEquals([tableLimits(0).objects, tableLimits(2 ** 20).objects], [32768, 32768 + 1024]);
  assertEquals([tableLimits(0).opcodes, tableLimits(2 ** 20).opcodes], [163840, 163840 + 4096]);
  const { objects, opcodes, memoEntries } = tableLimits(2 ** 50);
  assertEquals([objects, opcodes, memoEntries], [2 ** 20, 2 ** 24, 2 ** 22]);
  assertEquals([0, 2 ** 25, 2 ** 50].map(maxDirectoryBytes), [2 ** 21, 2 ** 21 + 2 ** 20, 2 ** 24]);
});

Deno.test("openTorchFile() takes as many objects as are allowed and no more", async () => {
  const objects = (count: number) =>
    torchWith(pickle(repeat(count - 1, "EMPTY_LIST", "POP"), "EMPTY_DICT", "STOP"));
  const allowed = tableLimits(objects(32768).length).objects!;
  await openTorchFile(memorySource(objects(allowed)));
  await assertFailsAsync(
    () => openTorchFile(memorySource(objects(allowed + 1))),
    FormatError,
    `file.pt: data.pkl: Cannot read EMPTY_DICT: the pickle makes more than ${allowed} objects ` +
      `(at byte ${2 * allowed} of the pickle); copy the file again`,
  );
});

Deno.test("openTorchFile() takes as many records as zip.js may see and no more", async () => {
  const name = (i: number) => i === 0 ? "m/data/0" : `m/data/${i}`;
  await assertFailsAsync(
    () => openTorchFile(memorySource(zipOfRecords(2 ** 14, name))),
    FormatError,
    "file.pt: is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  );
  await assertFailsAsync(
    () => openTorchFile(memorySource(zipOfRecords(2 ** 14 + 1, name))),
    FormatError,
    "file.pt: the zip archive has more than 16384 records, so torch didn't write it",
  );
});

Deno.test("openTorchFile() takes as long a directory as is allowed and no longer", async () => {
  // A record of a name of 16 characters has an entry of 64 bytes.
  const file = (count: number) => torchOfRecords(count, (i) => `data/${String(i).padStart(9, "x")}`);
  const allowed = Math.floor(maxDirectoryBytes(file(32_000).length) / 64);
  const { storages } = await openTorchFile(memorySource(file(allowed)));
  assertEquals(storages.size, allowed);
  await assertFailsAsync(
    () => openTorchFile(memorySource(file(allowed + 5000))),
    FormatError,
    "file.pt: the zip archive has more than 16384 records, so torch didn't write it",
  );
});

Deno.test("openSafetensors() takes as many values as are allowed and no more", async () => {
  // The header, the metadata, and so many texts.
  const file = (count: number) =>
    fileOf(`{"__metadata__":{${Array.from({ length: count - 2 }, (_, i) => `"${i}":""`).join()}}}`);
  // The limit grows with the file, but more slowly.
  let allowed = 66_150;
  while (maxHeaderValues(file(allowed + 1).length) > allowed) allowed++;
  const { metadata } = await openSafetensors(memorySource(file(allowed)));
  assertEquals(metadata.size, allowed - 2);
  await assertFailsAsync(
    () => openSafetensors(memorySource(file(allowed + 1))),
    SafetensorsError,
    `file.pt: header: is no JSON: has more than ${allowed} values`,
  );
  assertEquals([0, 2 ** 30].map(maxHeaderValues), [2 ** 16, 2 ** 16 + 2 ** 20]);
});

Deno.test("parseHeaderLength() takes as long a header as ckpt reads and no longer", () => {
  const of = (length: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    return parseHeaderLength(bytes, 2 ** 30, "f");
  };
  assertEquals(of(MAX_READ_HEADER_BYTES), MAX_READ_HEADER_BYTES);
  assertFails(
    () => of(MAX_READ_HEADER_BYTES + 1),
    SafetensorsError,
    "f: has a header of 12582913 bytes, more than the 12582912 that ckpt reads",
  );
});

Deno.test("parseModelYaml() takes 256 asterisks and no more", () => {
  const yaml = (count: number) => `model_family: llama\nx: &x 1\ny: [${"*x,".repeat(count)}]\n`;
  assertEquals(parseModelYaml(yaml(256)).layers, 32);
  assertFails(
    () => parseModelYaml(yaml(257)),
    ConfigError,
    "model.yaml: expected at most 256 asterisks (aliases), got 257",
  );
});
