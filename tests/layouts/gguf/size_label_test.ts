import { assert, assertEquals } from "@std/assert";
import { sizeLabel } from "../../../lib/layouts/gguf/size_label.ts";

const labels: [number, string][] = JSON.parse(
  Deno.readTextFileSync(new URL("../../../fixtures/gguf/size_labels.json", import.meta.url)),
);

Deno.test("sizeLabel() prints what gguf-py prints", () => {
  assert(labels.length > 400);
  for (const [count, label] of labels) assertEquals([count, sizeLabel(count)], [count, label]);
});
