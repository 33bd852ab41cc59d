import { assertEquals } from "@std/assert";
import { flatRows, type TensorRow, treeRows } from "../../lib/cli/tensor_rows.ts";
import type { InspectedTensor } from "../../lib/inspect/inspect.ts";

const tensor = (name: string, shape: number[] = [2, 3], dtype = "float32"): InspectedTensor => ({
  name,
  dtype,
  shape,
  bytes: 4 * shape.reduce((a, b) => a * b, 1),
});

/** Rows in short. */
function short(rows: readonly TensorRow[]): string[] {
  return rows.map(({ depth, label, tensor, count, bytes }) =>
    `${"  ".repeat(depth)}${label}${tensor === undefined ? "" : ` [${tensor.shape}]`} ×${count} ${bytes}`
  );
}

Deno.test("treeRows() folds layers that are alike", () => {
  const layers = [0, 1, 2, 3].flatMap((i) => [
    tensor(`model.layers.${i}.attention.q`),
    tensor(`model.layers.${i}.attention.k`, [1, 3]),
    tensor(`model.layers.${i}.norm`, [3]),
  ]);
  const rows = treeRows([tensor("model.embed", [10, 3]), ...layers, tensor("head.weight", [10, 3])]);
  assertEquals(short(rows), [
    "model ×1 312",
    "  embed [10,3] ×1 120",
    "  layers.0–3 ×4 192",
    "    attention ×4 144",
    "      q [2,3] ×4 96",
    "      k [1,3] ×4 48",
    "    norm [3] ×4 48",
    "head.weight [10,3] ×1 120",
  ]);
});

Deno.test("treeRows() keeps layers apart that differ, or whose numbers have a gap", () => {
  const rows = treeRows([
    tensor("l.0.w"),
    tensor("l.1.w"),
    tensor("l.2.w", [4]),
    tensor("l.3.w"),
    tensor("l.5.w"),
    tensor("l.6.w", [2, 3], "int32"),
    tensor("l.07.w"),
    tensor("l.x.w"),
  ]);
  assertEquals(short(rows), [
    "l ×1 184",
    "  0–1.w [2,3] ×2 48",
    "  2.w [4] ×1 16",
    "  3.w [2,3] ×1 24",
    "  5.w [2,3] ×1 24",
    "  6.w [2,3] ×1 24",
    "  07.w [2,3] ×1 24",
    "  x.w [2,3] ×1 24",
  ]);
});

Deno.test("treeRows() folds layers that lie in the order of their names", () => {
  const tensors = ["10", "0", "1", "11", ...Array.from({ length: 8 }, (_, i) => String(i + 2))]
    .map((layer) => ({ name: `blk.${layer}.w`, dtype: "F32", shape: [2], bytes: 8 }));
  assertEquals(treeRows(tensors).map(({ label, count }) => [label, count]), [["blk.0–11.w", 12]]);
});

Deno.test("treeRows() folds within what is folded, and what is numbered alone", () => {
  const experts = [0, 1].flatMap((layer) =>
    [0, 1, 2].map((expert) => tensor(`layers.${layer}.experts.${expert}.w`))
  );
  assertEquals(short(treeRows(experts)), ["layers.0–1.experts ×2 144", "  0–2.w [2,3] ×6 144"]);
  assertEquals(short(treeRows([tensor("0"), tensor("1")])), ["0–1 [2,3] ×2 48"]);
  assertEquals(short(treeRows([tensor("a.0.w"), tensor("a.1.w")])), ["a.0–1.w [2,3] ×2 48"]);
});

Deno.test("treeRows() shows a tensor whose name begins others' with a row of its own", () => {
  assertEquals(short(treeRows([tensor("a"), tensor("a.b"), tensor("a.b.c", [5])])), [
    "a [2,3] ×1 24",
    "  b [2,3] ×1 24",
    "    c [5] ×1 20",
  ]);
});

Deno.test("treeRows() keeps odd names whole", () => {
  assertEquals(short(treeRows([tensor("")])), [" [2,3] ×1 24"]);
  assertEquals(short(treeRows([tensor("a..b"), tensor("a.")])), ["a. [2,3] ×1 24", "  b [2,3] ×1 24"]);
  const deep = Array.from({ length: 1000 }, (_, i) => i).join(".");
  assertEquals(short(treeRows([tensor(deep)])), [`${deep} [2,3] ×1 24`]);
  assertEquals(short(treeRows([tensor("__proto__.x"), tensor("constructor")])), [
    "__proto__.x [2,3] ×1 24",
    "constructor [2,3] ×1 24",
  ]);
});

Deno.test("treeRows() of a 405B model has a row for each kind of tensor", () => {
  const kinds = ["self_attn.q_proj", "self_attn.k_proj", "ffn.gate_proj"];
  const tensors = Array.from(
    { length: 126 },
    (_, i) => kinds.map((kind) => tensor(`decoder.layers.${i}.${kind}.weight`)),
  );
  assertEquals(short(treeRows(tensors.flat())), [
    "decoder.layers.0–125 ×126 9072",
    "  self_attn ×126 6048",
    "    q_proj.weight [2,3] ×126 3024",
    "    k_proj.weight [2,3] ×126 3024",
    "  ffn.gate_proj.weight [2,3] ×126 3024",
  ]);
});

Deno.test("flatRows() has a row for each tensor", () => {
  assertEquals(short(flatRows([tensor("l.0.w"), tensor("l.1.w")])), [
    "l.0.w [2,3] ×1 24",
    "l.1.w [2,3] ×1 24",
  ]);
});
