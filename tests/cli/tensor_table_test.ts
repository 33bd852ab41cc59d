import { assertEquals } from "@std/assert";
import type { Style } from "../../lib/cli/terminal.ts";
import { flatRows, treeRows } from "../../lib/cli/tensor_rows.ts";
import { shareBar, tensorTable } from "../../lib/cli/tensor_table.ts";

const same = (text: string) => text;
const plain: Style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };
const marked: Style = { ...plain, bold: (text) => `<b>${text}</b>`, dim: (text) => `<d>${text}</d>` };

const tensors = [
  { name: "embed.weight", dtype: "bfloat16", shape: [100, 10], bytes: 2000 },
  { name: "layers.0.self_attn.weight", dtype: "float32", shape: [25], bytes: 100 },
  { name: "layers.1.self_attn.weight", dtype: "float32", shape: [25], bytes: 100 },
  { name: "scalar", dtype: "int64", shape: [], bytes: 8 },
];
const total = 2208;

Deno.test("tensorTable() lines up names, dtypes, shapes, sizes and bars", () => {
  assertEquals(tensorTable(treeRows(tensors), total, Infinity, plain), [
    "embed.weight                 bfloat16  [100, 10]  2.00 kB  ██████████████▌",
    "layers.0–1.self_attn.weight  float32   [25] ×2      200 B  █▌",
    "scalar                       int64     []             8 B  ▏",
  ]);
  assertEquals(
    tensorTable(flatRows(tensors), total, Infinity, plain)[1],
    "layers.0.self_attn.weight  float32   [25]         100 B  ▊",
  );
});

Deno.test("tensorTable() fits any width", () => {
  for (let width = 20; width <= 120; width++) {
    for (const row of tensorTable(treeRows(tensors), total, width, plain)) {
      assertEquals([...row].length < width, true, `${width}: ${row}`);
    }
  }
  assertEquals(tensorTable(treeRows(tensors), total, 60, plain), [
    "embed.weight                 bfloat16  [100, 10]  2.00 kB",
    "layers.0–1.self_attn.weight  float32   [25] ×2      200 B",
    "scalar                       int64     []             8 B",
  ]);
  assertEquals(
    tensorTable(treeRows(tensors), total, 50, plain)[1],
    "layers.0–1.self_at…  float32   [25] ×2      200 B",
  );
  assertEquals(tensorTable(treeRows(tensors), total, 24, plain), [
    "embed.weight    2.00 kB",
    "layers.0–1.se…    200 B",
    "scalar              8 B",
  ]);
});

Deno.test("tensorTable() never cuts names where lines may be as long as they are", () => {
  const name = "x".repeat(300);
  const rows = flatRows([{ name, dtype: "int8", shape: [1], bytes: 1 }]);
  assertEquals(tensorTable(rows, 1, Infinity, plain), [`${name}  int8  [1]  1 B  ${"█".repeat(16)}`]);
});

Deno.test("tensorTable() shows names as text that does nothing, and an empty one as what it is", () => {
  const rows = flatRows([
    { name: "a\x1b[31m\nb\u202e", dtype: "int8", shape: [1], bytes: 1 },
    { name: "", dtype: "int8", shape: [1], bytes: 1 },
  ]);
  assertEquals(tensorTable(rows, 2, 60, plain).map((line) => line.slice(0, 17).trimEnd()), [
    "a [31m b",
    "(the file itself)",
  ]);
});

Deno.test("tensorTable() styles what it has laid out", () => {
  const rows = treeRows([...tensors, { name: "layers.1.more", dtype: "int8", shape: [2], bytes: 2 }]);
  const lines = tensorTable(rows, total, 60, marked);
  assertEquals(lines[1], "<b>layers              </b>  <d>        </d>  <d>         </d>    202 B  ▋");
});

Deno.test("shareBar() is as long as the share", () => {
  assertEquals([0, 0.001, 0.25, 0.5, 0.99, 1, 2].map((share) => shareBar(share, 8)), [
    "",
    "▏",
    "██",
    "████",
    "███████▉",
    "████████",
    "████████",
  ]);
});
