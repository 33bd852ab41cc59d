import { assertEquals, assertNotEquals } from "@std/assert";
import { concatColumns, concatRows, sliceColumns, sliceRows } from "../../lib/bytes/view.ts";
import { Global, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { type Tensor, tensorOfView, tensorView } from "../../lib/tensor/tensor.ts";
import { dialectOf } from "../../lib/torch/dialect.ts";
import type { StateDict } from "../../lib/torch/pickle_state.ts";
import { layoutState, stemOf } from "../../lib/torch/save_state.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import {
  casesOf,
  fixturePath,
  itemsOf,
  render,
  stateOf,
  versions,
  walkArchive,
  withTorchFile,
} from "./_fixtures.ts";
import { memorySource } from "./_zip.ts";

/** The tensors of a golden file as its other file names them. */
function renamed(state: StateDict): Map<string, Tensor> {
  return new Map([...state].map(([name, tensor]) => [`to.${name}`, tensor]));
}

for (const version of versions) {
  for (const [name] of casesOf(version)) {
    Deno.test(`layoutState() writes byte for byte what torch ${version} does: ${name}`, async () => {
      await withTorchFile(fixturePath(`${version}/${name}/model.pt`), async (file) => {
        const dialect = await dialectOf(file);
        const layout = layoutState("consolidated.00.pth", renamed(stateOf(file)), { dialect });
        const expected = Deno.readFileSync(fixturePath(`${version}/${name}/consolidated.00.pth`));
        assertEquals(layout.size, expected.length);
        assertEquals(render(layout).toHex(), expected.toHex());
      });
    });
  }

  Deno.test(`layoutState() writes what was cut and joined again as torch ${version} writes it whole`, async () => {
    await withTorchFile(fixturePath(`${version}/plain/model.pt`), async (file) => {
      const pieced = new Map([...stateOf(file)].map(([name, { dtype, shape, storage }]) => {
        const { view } = storage;
        const rows = { ...view, rows: shape[0]!, rowBytes: view.rows / shape[0]! } as typeof view;
        const upper = sliceRows(rows, 0, 1);
        const lower = sliceRows(rows, 1, rows.rows - 1);
        const half = rows.rowBytes / 2;
        const halves = concatColumns([sliceColumns(lower, 0, half), sliceColumns(lower, half, half)]);
        return [`to.${name}`, tensorOfView(dtype, shape, concatRows([upper, halves]))];
      }));
      const layout = layoutState("consolidated.00.pth", pieced, { dialect: await dialectOf(file) });
      const expected = Deno.readFileSync(fixturePath(`${version}/plain/consolidated.00.pth`));
      assertEquals(render(layout).toHex(), expected.toHex());
    });
  });
}

const checkpoints = new URL("../../fixtures/checkpoints/", import.meta.url).pathname;

for (
  const [source, expected] of [
    [
      "fairseq2-0.3.0/llama3_bf16/step_10/model.pt",
      "fairseq2-0.3.0/llama3_bf16/reference/consolidated.00.pth",
    ],
    [
      "fairseq2-0.3.0/llama2_fp16/step_10/model.pt",
      "fairseq2-0.3.0/llama2_fp16/reference/consolidated.00.pth",
    ],
    [
      "fairseq2-0.3.0/llama2_fp32_tp4/step_10/model.2.pt",
      "fairseq2-0.3.0/llama2_fp32_tp4/reference/consolidated.02.pth",
    ],
    [
      "fairseq2-0.4.5/llama3_bf16/step_10/model.pt",
      "fairseq2-0.4.5/llama3_bf16/reference/consolidated.00.pth",
    ],
    [
      "fairseq2-0.4.5/llama3_bf16_tp2/step_10/model.1.pt",
      "fairseq2-0.4.5/llama3_bf16_tp2/reference/consolidated.01.pth",
    ],
  ] as const
) {
  Deno.test(`layoutState() writes byte for byte what fairseq2's converter made of ${source}`, async () => {
    // Its name map keeps the order.
    const path = `${checkpoints}expected/${expected}`;
    const names = await withTorchFile(path, (file) => [...itemsOf(file.root).keys()] as string[]);
    await withTorchFile(`${checkpoints}${source}`, async (file) => {
      const tensors = [...stateOf(file).values()];
      assertEquals(tensors.length, names.length);
      const state = new Map(names.map((name, i) => [name, tensors[i]!]));
      const layout = layoutState("consolidated.00.pth".replace("00", expected.slice(-6, -4)), state, {
        dialect: await dialectOf(file),
      });
      assertEquals(render(layout).toHex(), Deno.readFileSync(path).toHex());
    });
  });
}

Deno.test("layoutState() writes zeros for the digits that it doesn't know", async () => {
  const expected = Deno.readFileSync(fixturePath("2.13.0/plain/consolidated.00.pth"));
  const id = walkArchive(expected).at(-1)!;
  const state = await withTorchFile(fixturePath("2.13.0/plain/model.pt"), (file) => renamed(stateOf(file)));
  // Digits that stand for another number of storages.
  const dialect = await withTorchFile(fixturePath("2.13.0/many/model.pt"), dialectOf);
  assertNotEquals(dialect.nameDigits, undefined);
  const found = render(layoutState("consolidated.00.pth", state, { dialect }));
  const foundId = walkArchive(found).at(-1)!;
  assertEquals(
    new TextDecoder().decode(foundId.data),
    "0".repeat(20) + new TextDecoder().decode(id.data).slice(20),
  );
  // Nothing else differs but the CRC-32 of that record, in its descriptor and the directory.
  const differing = [...found.keys()].filter((i) => found[i] !== expected[i]);
  const crcs = [id.dataAt + 40 + 4, expected.length - 98 - 46 - id.name.length + 16];
  for (const i of differing) {
    const isDigit = i >= id.dataAt && i < id.dataAt + 20;
    assertEquals(isDigit || crcs.some((at) => i >= at && i < at + 4), true, `byte ${i}`);
  }
});

Deno.test("layoutState() takes what to save instead of the plain dict", async () => {
  await withTorchFile(fixturePath("2.13.0/plain/model.pt"), async (file) => {
    const dialect = await dialectOf(file);
    const wrap = (dict: Parameters<typeof itemsOf>[0]) => new Map([["model", dict]]);
    const written = render(layoutState("x.pt", stateOf(file), { dialect, wrap }));
    const made = await openTorchFile(memorySource(written));
    assertEquals([...itemsOf(made.root).keys()], ["model"]);
    assertEquals([...stateOf(made).keys()], [...stateOf(file).keys()]);
  });
});

Deno.test("layoutState() offers to lay the file over the one that all tensors come from", async () => {
  const path = fixturePath("2.13.0/plain/model.pt");
  await withTorchFile(path, async (base) => {
    const dialect = await dialectOf(base);
    const state = stateOf(base);
    assertEquals(layoutState("x.pt", state, { dialect }).overlay, undefined);
    const { overlay, tensors } = layoutState("x.pt", state, { dialect, base });
    assertEquals([overlay!.base, tensors], [path, []]);
    const [name, tensor] = [...state][0]!;
    const own = new Map(state).set(name, tensorOfView(tensor.dtype, tensor.shape, tensorView(tensor)));
    assertEquals(layoutState("x.pt", own, { dialect, base }).overlay, undefined);
  });
});

Deno.test("layoutState() keeps tensors for people", async () => {
  await withTorchFile(fixturePath("2.13.0/plain/model.pt"), async (base) => {
    const tensors = [{ from: "a", to: "b", dtype: "float32", shape: [2, 3], bytes: 24 }];
    assertEquals(
      layoutState("x.pt", stateOf(base), { dialect: await dialectOf(base), tensors }).tensors,
      tensors,
    );
  });
});

Deno.test("layoutState() of no tensors is a file that opens", async () => {
  const dialect = await withTorchFile(fixturePath("2.13.0/plain/model.pt"), dialectOf);
  const file = await openTorchFile(memorySource(render(layoutState("x.pt", new Map(), { dialect }))));
  assertEquals([stateOf(file).size, file.storages.size, file.root instanceof Map], [0, 0, true]);
});

Deno.test("layoutState() writes torch.Size and OrderedDict of the source as tuples and a plain dict", async () => {
  await withTorchFile(fixturePath("2.13.0/ordered_dict/model.pt"), async (file) => {
    assertEquals((file.root as Reduction).callable, new Global("collections", "OrderedDict"));
    const written = render(layoutState("x.pt", stateOf(file), { dialect: await dialectOf(file) }));
    const { root } = await openTorchFile(memorySource(written));
    assertEquals(root instanceof Map, true);
    for (const value of itemsOf(root).values()) {
      const { args } = value as Reduction;
      assertEquals(args.items[2] instanceof Tuple, true);
    }
  });
});

Deno.test("stemOf() is the name without its last extension", () => {
  assertEquals(
    ["consolidated.00.pth", "model.pt", "model", ".hidden", "a/b.c/model.x.pt", "a.b/model"].map(stemOf),
    ["consolidated.00", "model", "model", ".hidden", "model.x", "model"],
  );
});
