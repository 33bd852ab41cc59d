import { assert, assertEquals } from "@std/assert";
import { metadataLines } from "../../lib/cli/metadata_lines.ts";
import type { Style } from "../../lib/cli/terminal.ts";
import type { InspectedMetadata } from "../../lib/inspect/gguf_metadata.ts";

const same = (text: string) => text;
const plain: Style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };

const metadata: readonly InspectedMetadata[] = [
  { key: "general.name", type: "string", value: "a model\u001b[2J\nof two lines\u202e" },
  { key: "llama.rope.freq_base", type: "float32", value: 500000 },
  { key: "x.count", type: "uint64", value: "18446744073709551615" },
  { key: "tokenizer.ggml.tokens", type: "string[]", count: 3, value: ["a", "b"] },
  { key: "layers", type: "bool[]", count: 2, value: [true, false] },
];

Deno.test("metadataLines() lines up keys, types and values, on one line each, that do nothing to a terminal", () => {
  assertEquals(metadataLines(metadata, Infinity, plain), [
    String.raw`general.name           string     "a model\u001b[2J\nof two lines "`,
    "llama.rope.freq_base   float32    500000",
    "x.count                uint64     18446744073709551615",
    'tokenizer.ggml.tokens  string[3]  "a", "b", …',
    "layers                 bool[2]    true, false",
  ]);
});

Deno.test("metadataLines() cuts what is long, and fits any width", () => {
  const long: InspectedMetadata[] = [
    ...metadata,
    { key: "k".repeat(1000), type: "string", value: "é".repeat(10 ** 6) },
  ];
  assertEquals(
    metadataLines(long, Infinity, plain).at(-1),
    `${"k".repeat(63)}…  string     "${"é".repeat(78)}…`,
  );
  for (const width of [16, 20, 40, 80, 120]) {
    for (const line of metadataLines(long, width, plain)) {
      assert([...line].length < width, `${width}: ${line}`);
    }
  }
  assertEquals(metadataLines(metadata, 40, plain)[2], "x.count                184467440737095…");
});
