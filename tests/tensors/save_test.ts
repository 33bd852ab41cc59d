import { assertEquals, assertRejects } from "@std/assert";
import {
  CancelledError,
  castTensors,
  FileError,
  FormatError,
  openTensors,
  OptionError,
  saveSafetensors,
  saveTorch,
  tensorOf,
} from "../../mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { join } from "../../lib/deps.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const one = new Map([["w", tensorOf(new Float32Array([1, 2]))]]);

Deno.test("saveTorch() and saveSafetensors() never replace a file unless they are told to", async () => {
  using temp = new TempDir();
  for (const [name, save] of [["a.pt", saveTorch], ["a.safetensors", saveSafetensors]] as const) {
    const path = temp.at(name);
    Deno.writeTextFileSync(path, "mine");
    await assertRejectsWith(() => save(path, one), FileError, `${path}: exists already; name a new file`);
    assertEquals(Deno.readTextFileSync(path), "mine");
    await save(path, one, { overwrite: true });
    assertEquals(await (await openTensors(path)).get("w")!.read(), new Float32Array([1, 2]));
    Deno.mkdirSync(temp.at("dir"), { recursive: true });
    await assertRejects(
      () => save(temp.at("dir"), one, { overwrite: true }),
      FileError,
      "is no file, but exists",
    );
  }
  assertEquals(temp.names(), ["a.pt", "a.safetensors", "dir"]);
});

Deno.test("a file can be replaced by what is made of it", async () => {
  using temp = new TempDir();
  const path = temp.at("a.pt");
  await saveTorch(path, one);
  for (const expected of [new Float32Array([1, 2]), new Float32Array([1, 2])]) {
    await saveTorch(path, castTensors(await openTensors(path), "bfloat16"), { overwrite: true });
    assertEquals(await (await openTensors(path)).get("w")!.read(), expected);
  }
});

Deno.test("what another run left, or is making, is never touched", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(temp.at("a.pt.partial"), "theirs");
  await assertRejects(() => saveTorch(temp.at("a.pt"), one), FileError, "a.pt.partial: is in the way");
  assertEquals(temp.names(), ["a.pt.partial"]);
  assertEquals(Deno.readTextFileSync(temp.at("a.pt.partial")), "theirs");
});

Deno.test("nothing is left of a save that is cancelled, or whose input is damaged", async () => {
  using temp = new TempDir();
  // Large enough for workers, which share the memory of new tensors.
  const large = new Map([["w", tensorOf(new Float32Array(24 * 1024 * 1024).fill(3))]]);
  const controller = new AbortController();
  await assertRejects(
    () =>
      saveSafetensors(temp.at("a.safetensors"), large, {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    CancelledError,
  );
  assertEquals(temp.names(), []);
  await saveSafetensors(temp.at("a.safetensors"), large, { jobs: 2, verify: true });
  const read = await (await openTensors(temp.at("a.safetensors"))).get("w")!.read({ rows: [24e6, 24e6 + 2] });
  assertEquals(read, new Float32Array([3, 3]));

  await saveTorch(temp.at("in.pt"), one);
  const bytes = Deno.readFileSync(temp.at("in.pt"));
  const at = bytes.findIndex((_, i) =>
    i % 64 === 0 && bytes[i + 2] === 0x80 && bytes[i + 3] === 0x3f && bytes[i + 7] === 0x40
  );
  bytes[at] = 1;
  Deno.writeFileSync(temp.at("in.pt"), bytes);
  const damaged = await openTensors(temp.at("in.pt"));
  await assertRejects(() => saveSafetensors(temp.at("b.safetensors"), damaged), FormatError, "damaged");
  assertEquals(temp.names(), ["a.safetensors", "in.pt"]);
});

Deno.test("a source that changed since it was opened isn't copied", async () => {
  using temp = new TempDir();
  await saveSafetensors(temp.at("a.safetensors"), one);
  const opened = await openTensors(temp.at("a.safetensors"));
  await saveSafetensors(temp.at("a.safetensors"), one, { overwrite: true });
  await assertRejects(
    () => saveTorch(temp.at("b.pt"), opened),
    FileError,
    "the file changed while it was read",
  );
  assertEquals(temp.names(), ["a.safetensors"]);
});

Deno.test("saveSafetensors() refuses what the format hasn't got, by name", async () => {
  using temp = new TempDir();
  const path = temp.at("a.safetensors");
  const complex = new Map([["c", tensorOf(new Float64Array(2), [1], "complex128")]]);
  await assertRejectsWith(
    () => saveSafetensors(path, complex),
    OptionError,
    "c: is complex128, for which safetensors has no dtype; leave it out, or save it to torch's format",
  );
  await assertRejects(() => saveSafetensors(path, new Map([["__metadata__", one.get("w")!]])), OptionError);
  await assertRejects(
    () => saveSafetensors(path, new Map([["\ud800", one.get("w")!]])),
    OptionError,
    "no UTF-8 text",
  );
  await assertRejectsWith(
    () => saveSafetensors(path, new Map()),
    OptionError,
    "There are no tensors to save",
  );
  const quantized = await openTensors(join(CHECKPOINTS, "..", "gguf/types.gguf"));
  for (const save of [saveSafetensors, saveTorch]) {
    await assertRejects(() => save(path, quantized), OptionError, "has no dtype; cast the tensors first");
  }
  await assertRejects(
    () => saveSafetensors(path, one, { metadata: { a: 1 as unknown as string } }),
    OptionError,
    "must be an object of texts",
  );
  assertEquals(temp.names(), []);
});

Deno.test("saveSafetensors() writes the metadata that it is given; transformers' own by default", async () => {
  using temp = new TempDir();
  const headerOf = async (options: Parameters<typeof saveSafetensors>[2]) => {
    await saveSafetensors(temp.at("a.safetensors"), one, { ...options, overwrite: true });
    const bytes = Deno.readFileSync(temp.at("a.safetensors"));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    return JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))).__metadata__;
  };
  assertEquals(await headerOf({}), { format: "pt" });
  assertEquals(await headerOf({ metadata: { format: "pt", made: "by me" } }), {
    format: "pt",
    made: "by me",
  });
  assertEquals(await headerOf({ metadata: {} }), undefined);
});

Deno.test("numbers that a cast loses are told", async () => {
  using temp = new TempDir();
  const tensors = new Map([["w", tensorOf(new Float32Array([1e30, NaN, 1]))]]);
  const { notes } = await saveSafetensors(temp.at("a.safetensors"), castTensors(tensors, "float16"));
  assertEquals(notes, [
    "1 number in the files made now is too large for float16 and became infinite: 1 in w",
    "1 number in the files made now is NaN, as in the input: 1 in w",
  ]);
});

Deno.test("saveSafetensors() fails where there is no directory, and says so", async () => {
  using temp = new TempDir();
  let message = "";
  await saveSafetensors(temp.at("none", "a.safetensors"), one).catch((error) => message = error.message);
  assertEquals(message, `${temp.at("none")}: there is no such directory; make it first`);
});
