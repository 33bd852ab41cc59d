import { assertEquals } from "@std/assert";
import { FormatError } from "../../../lib/error.ts";
import { parseWeightIndex } from "../../../lib/layouts/huggingface/weight_index.ts";
import { assertError } from "../../convert/_assert_error.ts";

Deno.test("parseWeightIndex() gives the file of each tensor", () => {
  const text = '{"metadata":{"total_size":1},"weight_map":{"b":"x.safetensors","a":"y-1.safetensors"}}';
  assertEquals([...parseWeightIndex(text, "i")], [["b", "x.safetensors"], ["a", "y-1.safetensors"]]);
});

const refused: readonly (readonly [text: string, message: string])[] = [
  ["", "is no JSON: ends too early"],
  ["[]", "has no weight_map, which says where tensors are"],
  ["{}", "has no weight_map, which says where tensors are"],
  ['{"weight_map":[]}', "has no weight_map, which says where tensors are"],
  ['{"weight_map":{}}', "weight_map: names no tensor"],
  ['{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', '"a" is there twice'],
  ...[
    '"../x.safetensors"',
    '"/etc/x.safetensors"',
    '"a\\\\x.safetensors"',
    '"x.bin"',
    '".safetensors"',
    '""',
    "1",
    "null",
  ]
    .map((file) =>
      [
        `{"weight_map":{"a":${file}}}`,
        `weight_map: "a" is said to be in ${file}, which is no name of a safetensors file`,
      ] as const
    ),
  [
    '{"weight_map":{"a":{}}}',
    'weight_map: "a" is said to be in "an object", which is no name of a safetensors file',
  ],
];

for (const [text, message] of refused) {
  Deno.test(`parseWeightIndex() refuses ${JSON.stringify(text)}`, () => {
    assertError(() => parseWeightIndex(text, "dir/index.json"), FormatError, `dir/index.json: ${message}`);
  });
}
