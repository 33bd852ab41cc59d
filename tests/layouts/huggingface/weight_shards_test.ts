/**
 * The split over files, against huggingface_hub's own.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { bytes } from "../../../lib/bytes/view.ts";
import { OptionError } from "../../../lib/error.ts";
import {
  parseShardSize,
  splitWeights,
  weightIndexJson,
} from "../../../lib/layouts/huggingface/weight_shards.ts";
import { dtypeOf } from "../../../lib/tensor/dtype.ts";
import { type Tensor, tensorOfView } from "../../../lib/tensor/tensor.ts";
import { assertError } from "../../convert/_assert_error.ts";

const golden: {
  readonly sizes: Readonly<Record<string, number>>;
  readonly cases: readonly {
    readonly sizes: readonly (readonly [string, number])[];
    readonly limit: string;
    readonly files: readonly (readonly [string, readonly string[]])[];
    readonly total: number;
  }[];
} = JSON.parse(
  Deno.readTextFileSync(
    join(import.meta.dirname!, "..", "..", "..", "fixtures", "huggingface", "split.json"),
  ),
);

function tensorOf(size: number, dtype = "uint8"): Tensor {
  const type = dtypeOf(dtype);
  return tensorOfView(type, [size], bytes("in", 0, size, type.itemBytes));
}

for (const [text, size] of Object.entries(golden.sizes)) {
  Deno.test(`parseShardSize() reads ${JSON.stringify(text)} as huggingface_hub does`, () => {
    assertEquals(parseShardSize(text), size);
  });
}

Deno.test("parseShardSize() reads units of 1024, too", () => {
  assertEquals(["1KiB", "5GiB", "1.5mib", "2TIB"].map(parseShardSize), [
    ...[1024, 5 * 1024 ** 3, 1.5 * 1024 ** 2, 2 * 1024 ** 4],
  ]);
});

Deno.test("parseShardSize() refuses what isn't a size", () => {
  for (
    const text of ["", "5", "GB", "5iB", "5 G", "-5GB", "1e3MB", "5GB!", "0GB", "0.0001KB", "99999999TB"]
  ) {
    assertError(
      () => parseShardSize(text),
      OptionError,
      `Can't read the size ${JSON.stringify(text)}: give a number and KB, MB, GB or TB, as in 5GB or 5GiB`,
    );
  }
});

golden.cases.forEach(({ sizes, limit, files, total }, i) => {
  Deno.test(`splitWeights() splits as huggingface_hub does: case ${i}`, () => {
    const shards = splitWeights(
      new Map(sizes.map(([name, size]) => [name, tensorOf(size)])),
      parseShardSize(limit),
    );
    assertEquals(shards.map(({ name, tensors }) => [name, [...tensors.keys()]]), files);
    assertEquals(JSON.parse(weightIndexJson(shards)).metadata.total_size, total);
  });
});

Deno.test("weightIndexJson() says where each tensor is, sorted, and counts parameters and bytes", () => {
  const shards = [
    {
      name: "b.safetensors",
      tensors: new Map([["y", tensorOf(3, "float32")], ["x", tensorOf(5, "bfloat16")]]),
    },
    { name: "a.safetensors", tensors: new Map([["z", tensorOf(1, "float16")]]) },
  ];
  assertEquals(
    weightIndexJson(shards),
    `{
  "metadata": {
    "total_parameters": 9,
    "total_size": 24
  },
  "weight_map": {
    "x": "b.safetensors",
    "y": "b.safetensors",
    "z": "a.safetensors"
  }
}
`,
  );
});
