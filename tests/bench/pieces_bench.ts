/**
 * Benchmarks of the pieces: `deno task bench:pieces`. What counts for users is the whole command (`bench.ts`); these
 * show which piece a change made slower.
 *
 * @module
 */

import { checksums } from "../../lib/copy/checksums.ts";
import { copyFiles } from "../../lib/copy/copy_engine.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { bytes, strided } from "../../lib/bytes/view.ts";
import { planConversion } from "../../lib/convert/convert_checkpoint.ts";
import { readPickle, writePickle } from "../../lib/pickle/mod.ts";
import { openArchive, readRecord } from "../../lib/torch/archive.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { outputFile, planOf } from "../copy/_plan.ts";
import { makeCheckpoint } from "./make_checkpoint.ts";

const directory = Deno.makeTempDirSync({ prefix: "ckpt-bench-" });
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

// Sparse files of the real sizes: 405B in 8 shards of 1,138 tensors.
const [shard] = makeCheckpoint({ model: "llama3_1_405b", shards: 8, directory });
const input = `${directory}/step_1`;

const pickle = await (async () => {
  using source = FileSource.open(shard!);
  return (await readRecord(await openArchive(source), "data.pkl"))!;
})();
const root = readPickle(pickle);

Deno.bench("pickle: read a shard's", { group: "pickle" }, () => {
  readPickle(pickle);
});

Deno.bench("pickle: write a shard's", { group: "pickle" }, () => {
  writePickle(root);
});

Deno.bench("archive: open a shard", { group: "open" }, async () => {
  using source = FileSource.open(shard!);
  await openArchive(source);
});

Deno.bench("torch file: open a shard, and find its storages", { group: "open" }, async () => {
  using source = FileSource.open(shard!);
  await openTorchFile(source);
});

Deno.bench("plan: 8 shards to the reference layout", { group: "plan" }, async () => {
  await planConversion({ input, output: `${directory}/out` });
});

Deno.bench("plan: 8 shards joined", { group: "plan" }, async () => {
  await planConversion({ input, output: `${directory}/out`, shards: 1 });
});

const COPY_BYTES = 256 * 1024 * 1024;
const original = `${directory}/original`;
{
  using file = Deno.openSync(original, { write: true, createNew: true });
  const block = crypto.getRandomValues(new Uint8Array(65536));
  for (let done = 0; done < COPY_BYTES; done += block.length) file.writeSync(block);
}
const copied = outputFile("copy", [{ label: "all", view: bytes(original, 0, COPY_BYTES) }]);

Deno.bench("copy: Deno.copyFile of 256 MiB", { group: "copy", baseline: true }, async () => {
  await Deno.copyFile(original, `${directory}/copy`);
});

for (const jobs of [1, 2]) {
  Deno.bench(`copy: the engine with ${jobs} worker${jobs === 1 ? "" : "s"}`, { group: "copy" }, async () => {
    await copyFiles(planOf([copied]), [{ file: copied, path: `${directory}/copy` }], () => {}, { jobs });
  });
}

const transposed = outputFile("copy", [{
  label: "all",
  view: strided(original, 0, 2, [4096, 4096], [1, 4096]),
}]);

Deno.bench("copy: 4096² of bfloat16, transposed", { group: "copy" }, async () => {
  await copyFiles(planOf([transposed]), [{ file: transposed, path: `${directory}/copy` }], () => {});
});

Deno.bench("copy: checksums alone", { group: "copy" }, async () => {
  await checksums([bytes(original, 0, COPY_BYTES)]);
});
