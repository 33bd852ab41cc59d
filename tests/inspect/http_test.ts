import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { FileError } from "../../lib/error.ts";
import { inspectGlobals } from "../../lib/inspect/globals.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS, readRecords, writeRecords } from "../_torch_files.ts";
import { WebServer } from "../_web_server.ts";

const FIXTURES = join(CHECKPOINTS, "..");

/** Files, and the most requests and bytes that a look at them may take. Each has some 70 kB or more. */
const files: readonly (readonly [path: string, requests: number, bytes: number])[] = [
  ["checkpoints/fairseq2-0.3.0/llama3_bf16/step_10/model.pt", 4, 10_500],
  ["checkpoints/fairseq2-0.4.5/llama3_bf16/step_10/model.pt", 4, 12_500],
  ["checkpoints/fairseq2-0.8.1/llama3_bf16/checkpoints/step_10/model/pp_00/tp_00/sdp_00.pt", 4, 12_500],
  ["checkpoints/expected/fairseq2-0.3.0/llama3_fp32_ddp/reference/consolidated.00.pth", 4, 12_500],
  ["checkpoints/expected/fairseq2-0.3.0/llama3_bf16/hf/model.safetensors", 2, 4_100],
  ["torch_legacy/fairseq2/step_10/model.pt", 3, 16_500],
];

for (const [path, requests, bytes] of files) {
  Deno.test(`inspect() shows by URL what it shows of the file, of a few kilobytes: ${path}`, async () => {
    await using server = new WebServer(FIXTURES);
    const found = await inspect(server.url(path));
    assertEquals(found, { ...await inspect(join(FIXTURES, path)), notes: [] });
    assertEquals(
      [server.requests.length <= requests, server.bytes <= bytes],
      [true, true],
      `${server.requests.length} requests, ${server.bytes} bytes`,
    );
    assertEquals(server.requests.every(({ method, range }) => method === "GET" && range !== null), true);
    assertEquals(await inspect(new URL(server.url(path))), found);
  });
}

Deno.test("inspect() of a large file by URL takes no more requests than of a small one", async () => {
  using temp = new TempDir();
  // 500 tensors, of which no local header is read.
  const records = readRecords(join(FIXTURES, "torch", "2.13.0", "many", "model.pt"));
  const { root } = records;
  const state = new Map(root as Map<string, never>);
  const names = [...state.keys()];
  for (let i = 0; i < 500; i++) state.set(`more.${i}.weight`, state.get(names[i % names.length]!)!);
  records.root = state as never;
  for (let i = 0; i < 1000; i++) records.set(`data/more${i}`, new Uint8Array(1000));
  writeRecords(temp.at("model.pt"), records);
  await using server = new WebServer(temp.path);
  const { tensors } = await inspect(server.url("model.pt"));
  const { size } = Deno.statSync(temp.at("model.pt"));
  assertEquals([tensors.length, size > 1_000_000], [513, true]);
  assertEquals(
    [server.requests.length <= 8, server.bytes < size / 4],
    [true, true],
    `${server.requests.length}`,
  );
});

Deno.test("inspectGlobals() works by URL", async () => {
  await using server = new WebServer(FIXTURES);
  for (const path of ["torch/2.13.0/unusual/module.pt", "torch_legacy/unusual/module.pt"]) {
    assertEquals(await inspectGlobals(server.url(path)), await inspectGlobals(join(FIXTURES, path)));
  }
  const before = server.bytes;
  const checkpoint = "torch_legacy/fairseq2/step_10/model.pt";
  assertEquals((await inspectGlobals(new URL(server.url(checkpoint)))).globals.length, 3);
  assertEquals(server.bytes - before < 17_000, true);
});

Deno.test("inspect() says that a server has no such file, or gives no ranges", async () => {
  await using server = new WebServer(FIXTURES);
  await assertFailsAsync(
    () => inspect(server.url("none.pt")),
    FileError,
    `${server.url("none.pt")}: the server has no such file (HTTP 404); check the address`,
  );
  await using whole = new WebServer(FIXTURES, (_, file) => new Response(file));
  await assertFailsAsync(
    () => inspect(whole.url("torch/2.13.0/plain/model.pt")),
    FileError,
    `${
      whole.url("torch/2.13.0/plain/model.pt")
    }: the server gives the file only as a whole, no ranges of it ` +
      "(HTTP 200); download it and name the file",
  );
});
