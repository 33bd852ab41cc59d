import { assertEquals, assertStrictEquals } from "@std/assert";
import { tensorView } from "../../lib/tensor/tensor.ts";
import { openTorchFile, torchFileOpener } from "../../lib/torch/torch_file.ts";
import { memorySource, torchFile } from "./_zip.ts";
import { casesOf, fixturePath, readView, stateOf, versions, withTorchFile } from "./_fixtures.ts";

for (const version of versions) {
  for (const [name, expected] of casesOf(version)) {
    for (const [file, prefix] of [["model.pt", ""], ["consolidated.00.pth", "to."]] as const) {
      Deno.test(`openTorchFile() finds the tensors that torch finds in ${version}/${name}/${file}`, async () => {
        await withTorchFile(fixturePath(`${version}/${name}/${file}`), (opened) => {
          const storages = new Map<object, number>();
          const found = [...stateOf(opened)].map(([key, tensor]) => {
            const { dtype, shape, stride, storageOffset, storage, requiresGrad, isParameter } = tensor;
            if (!storages.has(storage)) storages.set(storage, storages.size);
            return {
              name: key,
              dtype: dtype.name,
              shape,
              stride,
              storage_offset: storageOffset,
              storage: storages.get(storage)!,
              storage_bytes: readView(storage.view).length,
              requires_grad: requiresGrad,
              is_parameter: isParameter,
              bytes: readView(tensorView(tensor)).toHex(),
            };
          });
          assertEquals(found, expected.map((tensor) => ({ ...tensor, name: prefix + tensor.name })));
        });
      });
    }
  }
}

Deno.test("openTorchFile() gives a tensor that is there twice as one object, and others as several", async () => {
  await withTorchFile(fixturePath("2.13.0/tied/model.pt"), (file) => {
    const state = stateOf(file);
    assertStrictEquals(state.get("same"), state.get("embed"));
    assertStrictEquals(state.get("same_parameter"), state.get("parameter"));
    assertEquals(state.get("view") === state.get("embed"), false);
    assertStrictEquals(state.get("view")!.storage, state.get("embed")!.storage);
  });
});

Deno.test("openTorchFile() lists storages in the order of the file, with what the directory says", async () => {
  for (const [version, order] of [["2.5.1", "0 1 10 11 12 2 3"], ["2.13.0", "0 1 2 3 4 5 6"]] as const) {
    await withTorchFile(fixturePath(`${version}/many/model.pt`), ({ storages, archive }) => {
      assertEquals([...storages.keys()].slice(0, 7).join(" "), order);
      let end = 0;
      for (const { key, headerAt, size, storage } of storages.values()) {
        const record = archive.records.get(`data/${key}`)!;
        assertEquals([headerAt, size, storage.crc], [record.headerOffset, record.size, record.crc]);
        assertEquals(headerAt >= end, true);
        end = headerAt + size;
      }
    });
  }
});

Deno.test("torchFileOpener() reads a pickle once that the file before has, too, and no other", async () => {
  const open = torchFileOpener();
  const rootOf = async (value: string, openFile = open) =>
    (await openFile(memorySource(torchFile([value], { "0": new Uint8Array(value.length) })))).root;
  const first = await rootOf("a");
  assertStrictEquals(await rootOf("a"), first);
  assertEquals(await rootOf("b"), ["b"]);
  assertEquals(await rootOf("a"), ["a"]);
  assertEquals(await rootOf("a", openTorchFile) === await rootOf("a", openTorchFile), false);
});
