import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import type { Overlay } from "../../lib/copy/plan.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { type Tensor, tensorOfView, tensorView } from "../../lib/tensor/tensor.ts";
import { layoutArchive, type NewRecord, serializationIdRecord } from "../../lib/torch/archive_layout.ts";
import { overlayArchive } from "../../lib/torch/archive_overlay.ts";
import { dialectOf } from "../../lib/torch/dialect.ts";
import { currentDialect, layoutState, type TorchDialect } from "../../lib/torch/save_state.ts";
import type { TorchFile } from "../../lib/torch/torch_file.ts";
import { python, runPython } from "../_python.ts";
import { TempDirectory } from "../copy/_temp.ts";
import {
  casesOf,
  fixturePath,
  readView,
  render,
  stateOf,
  versions,
  walkArchive,
  withTorchFile,
} from "./_fixtures.ts";

/** The overlay of a state over a file. */
function overlayOf(state: Map<string, Tensor>, dialect: TorchDialect, base: TorchFile): Overlay | undefined {
  return layoutState("consolidated.00.pth", state, { dialect, base }).overlay;
}

/** The tensors of a file under names that are never longer. */
function renamed(file: TorchFile): Map<string, Tensor> {
  return new Map([...stateOf(file).values()].map((tensor, i) => [String.fromCharCode(65 + i), tensor]));
}

/** All that a reader sees of tensors: the storages by the order in which they are met. */
function facts(state: Map<string, Tensor>) {
  const storages = new Map<object, number>();
  return [...state].map(
    ([name, { dtype, shape, stride, storageOffset, storage, requiresGrad, isParameter }]) => {
      if (!storages.has(storage)) storages.set(storage, storages.size);
      const number = storages.get(storage)!;
      const content = readView(storage.view).toHex();
      return [name, dtype.name, shape, stride, storageOffset, number, content, requiresGrad, isParameter];
    },
  );
}

for (const version of versions) {
  for (const [name] of casesOf(version)) {
    Deno.test(`overlayArchive() lays other names over ${version}/${name}`, async () => {
      using temp = new TempDirectory();
      const path = fixturePath(`${version}/${name}/model.pt`);
      const base = Deno.readFileSync(path);
      await withTorchFile(path, async (file) => {
        const dialect = await dialectOf(file);
        const state = renamed(file);
        const overlay = overlayOf(state, dialect, file)!;
        assertEquals(overlay.base, path);
        // All storages lie where they lay.
        assertEquals(
          overlay.copies.map(({ label }) => label),
          [...file.storages.keys()].map((key) => `data/${key}`),
        );
        for (const { view, at } of overlay.copies) {
          assertEquals([view.op, view.op === "bytes" && view.offset], ["bytes", at]);
        }
        const result = render(overlay, base);
        for (const { dataAt, name } of walkArchive(result)) {
          // An empty storage in front of the directory may end there.
          assertEquals(dataAt % dialect.alignment, 0, name);
        }
        await withTorchFile(temp.write("out.pth", result), async (made) => {
          assertEquals(facts(stateOf(made)), facts(state));
          assertEquals(made.archive.stem, file.archive.stem);
          assertEquals([...made.archive.records.keys()], [...file.archive.records.keys()]);
          assertEquals(await dialectOf(made), dialect);
        });
      });
    });
  }
}

Deno.test("overlayArchive() without changes is the file itself", async () => {
  const path = fixturePath("2.13.0/plain/model.pt");
  await withTorchFile(path, async (file) => {
    const base = Deno.readFileSync(path);
    const overlay = overlayOf(stateOf(file), await dialectOf(file), file)!;
    assertEquals(render(overlay, base).toHex(), base.toHex());
  });
});

/** A file of tensors of some bytes, with names of a certain length; without a serialization id if `bare`. */
function writeState(temp: TempDirectory, count: number, nameLength: number, dialect: TorchDialect): string {
  const source = temp.write("bytes", Uint8Array.from({ length: count * 8 }, (_, i) => i));
  const state = new Map(Array.from({ length: count }, (_, i) => {
    const view = bytes(source, 8 * i, 8);
    return [
      `${i}`.padEnd(nameLength, "x"),
      tensorOfView(dtypeOf("float32"), [2], view, crc32(readView(view))),
    ];
  }));
  return temp.write("model.pt", render(layoutState("model.pt", state, { dialect })));
}

const olderDialect: TorchDialect = {
  alignment: 64,
  statesAlignment: false,
  statesByteOrder: true,
  hasSerializationId: true,
  numericOrder: false,
};

for (const [what, dialect, room] of [["2.13", currentDialect, 5], ["2.5", olderDialect, 3]] as const) {
  Deno.test(`overlayArchive() spreads what is left over several records, as torch ${what} has them`, async () => {
    using temp = new TempDirectory();
    // Each record before the first storage, and that itself, can take some 65,472 bytes.
    const most = room * 65_000;
    const path = writeState(temp, 12, Math.floor(most / 12), dialect);
    await withTorchFile(path, async (file) => {
      const state = renamed(file);
      const overlay = overlayOf(state, await dialectOf(file), file)!;
      const result = render(overlay, Deno.readFileSync(path));
      const walked = walkArchive(result);
      const paddings = walked.map(({ name, headerAt, dataAt }) => dataAt - headerAt - 30 - name.length);
      assertEquals(paddings.filter((padding) => padding > 60_000).length >= room - 1, true, paddings.join());
      for (const { dataAt } of walked) assertEquals(dataAt % 64, 0);
      await withTorchFile(
        temp.write("out.pth", result),
        (made) => assertEquals(facts(stateOf(made)), facts(state)),
      );
    });
  });

  Deno.test(`overlayArchive() gives up where more is left than the records of torch ${what} can take`, async () => {
    using temp = new TempDirectory();
    const path = writeState(temp, 12, Math.ceil(room * 65_600 / 12), dialect);
    await withTorchFile(path, async (file) => {
      assertEquals(overlayOf(renamed(file), await dialectOf(file), file), undefined);
    });
  });
}

Deno.test("overlayArchive() gives up where the new names need more room", async () => {
  using temp = new TempDirectory();
  const path = writeState(temp, 3, 1, currentDialect);
  await withTorchFile(path, async (file) => {
    const dialect = await dialectOf(file);
    const longer = (length: number) =>
      overlayOf(
        new Map([...stateOf(file)].map(([name, tensor]) => [name.padEnd(length), tensor])),
        dialect,
        file,
      );
    assertEquals(longer(1) === undefined, false);
    assertEquals(longer(50), undefined);
  });
});

Deno.test("overlayArchive() gives up where a storage is left out, added or not the file's", async () => {
  using temp = new TempDirectory();
  const path = writeState(temp, 3, 20, currentDialect);
  await withTorchFile(path, async (file) => {
    const dialect = await dialectOf(file);
    const [a, b, c] = [...stateOf(file).values()] as [Tensor, Tensor, Tensor];
    const has = (...tensors: Tensor[]) =>
      overlayOf(new Map(tensors.map((tensor, i) => [String(i), tensor])), dialect, file) !== undefined;
    assertEquals(has(a, b, c), true);
    assertEquals(has(c, a, b), true);
    assertEquals(has(a, b, c, a), true);
    assertEquals(has(a, b), false);
    assertEquals(has(), false);
    assertEquals(has(a, b, { ...c, storage: { ...c.storage } }), false);
    assertEquals(has(a, b, c, tensorOfView(dtypeOf("float32"), [2], tensorView(c))), false);
  });
});

/** Records as `overlayArchive` takes them: the file's own, with another pickle. */
function recordsOf(file: TorchFile, pickle: Uint8Array): NewRecord[] {
  return [
    { name: "data.pkl", bytes: pickle },
    ...[...file.storages.values()].map(({ key, storage }): NewRecord => ({
      name: `data/${key}`,
      view: storage.view,
      ...(storage.crc === undefined ? {} : { crc: storage.crc }),
    })),
    { name: "version", bytes: new TextEncoder().encode("3\n") },
    serializationIdRecord(),
  ];
}

Deno.test("overlayArchive() gives up where records aren't the file's in its order", async () => {
  await withTorchFile(fixturePath("2.13.0/plain/model.pt"), (file) => {
    const records = recordsOf(file, Uint8Array.of(1));
    const [pickle, a, b, ...rest] = records as [NewRecord, NewRecord, NewRecord];
    const has = (given: NewRecord[]) => overlayArchive(file, given, 64, "") !== undefined;
    assertEquals(has(records), true);
    assertEquals(has([pickle, b, a, ...rest]), false);
    assertEquals(has([pickle, a, ...rest]), false);
    assertEquals(has([pickle, a, b, ...rest, a]), false);
    assertEquals(has([pickle, ...rest.slice(1)]), false);
    assertEquals(has([pickle, { ...a, name: "data/9" }, b, ...rest]), false);
    assertEquals(has([pickle, { ...a, view: bytes("other", 0, 24) } as NewRecord, b, ...rest]), false);
    // Storages don't lie at multiples of 4096.
    assertEquals(overlayArchive(file, records, 4096, ""), undefined);
  });
});

Deno.test("overlayArchive() gives up where something lies between storages", async () => {
  using temp = new TempDirectory();
  const text = (name: string): NewRecord => ({ name, bytes: new Uint8Array(100) });
  await withTorchFile(fixturePath("2.13.0/plain/model.pt"), async (file) => {
    const pickle = Deno.readFileSync(fixturePath("2.13.0/plain/model.pt"));
    const data = walkArchive(pickle)[0]!.data;
    const [first, a, b, ...rest] = recordsOf(file, data) as [NewRecord, NewRecord, NewRecord];
    for (
      const [records, expected] of [
        [[first, text("x"), a, b, ...rest], true],
        [[first, a, text("x"), b, ...rest], false],
        [[first, a, b, ...rest.slice(0, 1), text("x"), ...rest.slice(1)], true],
      ] as const
    ) {
      const path = temp.write("model.pt", render(layoutArchive(records, { stem: "model" })));
      await withTorchFile(path, (made) => {
        assertEquals(overlayArchive(made, recordsOf(made, Uint8Array.of(1)), 64, "") !== undefined, expected);
      });
    }
  });
});

Deno.test("overlayArchive() writes the descriptor of the last storage, which other writers leave out", async () => {
  using temp = new TempDirectory();
  // One storage at a multiple of 64, without a descriptor: its local header has the CRC-32 and sizes.
  const file = Deno.readFileSync(writeState(temp, 1, 30, currentDialect));
  const walked = walkArchive(file);
  const storage = walked.find(({ name }) => name.endsWith("data/0"))!;
  const view = new DataView(file.buffer);
  view.setUint16(storage.headerAt + 6, 0x0800, true);
  view.setUint32(storage.headerAt + 14, crc32(storage.data), true);
  view.setUint32(storage.headerAt + 18, storage.data.length, true);
  view.setUint32(storage.headerAt + 22, storage.data.length, true);
  file.fill(0, storage.dataAt + storage.data.length, storage.dataAt + storage.data.length + 16);
  const path = temp.write("model.pt", file);
  await withTorchFile(path, async (base) => {
    const overlay = overlayOf(renamed(base), await dialectOf(base), base)!;
    walkArchive(render(overlay, file));
  });
});

Deno.test({
  name: "overlayArchive() makes files that torch reads (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDirectory();
    const pairs: [string, string][] = [];
    const number = (version: string) =>
      version.split(/[.+]/).slice(0, 2).reduce((sum, part) => 1000 * sum + Number(part), 0);
    const own = number(await runPython("import torch; print(torch.__version__)"));
    // Older torch doesn't know newer dtypes.
    for (const version of versions.filter((version) => number(version) <= own)) {
      for (const [name] of casesOf(version)) {
        const path = fixturePath(`${version}/${name}/model.pt`);
        await withTorchFile(path, async (file) => {
          const overlay = overlayOf(renamed(file), await dialectOf(file), file)!;
          pairs.push([path, temp.write(`${version}-${name}.pth`, render(overlay, Deno.readFileSync(path)))]);
        });
      }
    }
    const compared = await runPython(
      `
import json, sys, torch, zipfile
def state(path):
    value = torch.load(path, map_location="cpu", weights_only=True)
    value = value["model"] if isinstance(value.get("model"), dict) else value
    return [t for t in value.values() if torch.is_tensor(t)]
count = 0
for old, new in json.loads(sys.argv[1]):
    assert zipfile.ZipFile(new).testzip() is None, new
    a, b = state(old), state(new)
    assert len(a) == len(b) > 0, new
    for x, y in zip(a, b):
        assert type(x) is type(y) and x.dtype == y.dtype and x.shape == y.shape, new
        assert x.stride() == y.stride() and x.storage_offset() == y.storage_offset(), new
        assert x.requires_grad == y.requires_grad, new
        assert bytes(x.untyped_storage()) == bytes(y.untyped_storage()), new
    count += 1
print(count)
`,
      [JSON.stringify(pairs)],
    );
    assertEquals(compared.trim(), String(pairs.length));
  },
});
