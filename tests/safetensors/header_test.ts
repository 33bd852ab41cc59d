/**
 * Files that are put together byte by byte, at each limit and just past it.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { SafetensorsError, type SafetensorsProblem } from "../../lib/safetensors/error.ts";
import { parseHeader } from "../../lib/safetensors/header.ts";
import { MAX_DIMENSIONS, MAX_HEADER_BYTES } from "../../lib/safetensors/limits.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { fileOf, MemorySource } from "./_files.ts";

/** A tensor's entry. */
function entry(start: number, end: number, shape: string, dtype = "F32"): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${start},${end}]}`;
}

/** Asserts that a file is refused for a reason, with a message. */
async function assertRefused(
  source: MemorySource,
  problem: SafetensorsProblem,
  message: string,
): Promise<void> {
  const error = await assertRejects(() => openSafetensors(source), SafetensorsError);
  assertEquals(error.constructor, SafetensorsError);
  assertEquals(error.message, `memory.safetensors: ${message}`);
  assertEquals(error.problem, problem);
}

const malformed: readonly (readonly [
  what: string,
  problem: SafetensorsProblem,
  file: Uint8Array<ArrayBuffer>,
  message: string,
])[] = [
  [
    "an empty file",
    "no header",
    new Uint8Array(0),
    "has 0 bytes, too few for a safetensors file; copy the file again",
  ],
  [
    "a file of 7 bytes",
    "no header",
    new Uint8Array(7),
    "has 7 bytes, too few for a safetensors file; copy the file again",
  ],
  [
    "a header longer than the limit",
    "header too large",
    fileOf("{}", undefined, BigInt(MAX_HEADER_BYTES) + 1n),
    "states a header of 100000001 bytes, more than the 100000000 that safetensors allows; it is no safetensors file, " +
    "or damaged",
  ],
  [
    "a header of 2^64 - 1 bytes",
    "header too large",
    fileOf("{}", undefined, 2n ** 64n - 1n),
    "states a header of 18446744073709551615 bytes, more than the 100000000 that safetensors allows; it is no " +
    "safetensors file, or damaged",
  ],
  [
    "a header one byte longer than the file",
    "header past the end",
    fileOf("{}", undefined, 3n),
    "states a header of 3 bytes, but has only 2 after its length; copy the file again",
  ],
  [
    "a header of the length allowed in a short file",
    "header past the end",
    fileOf("{}", undefined, BigInt(MAX_HEADER_BYTES)),
    "states a header of 100000000 bytes, but has only 2 after its length; copy the file again",
  ],
  [
    "a header that is no UTF-8",
    "no UTF-8",
    fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)),
    "header: is no UTF-8 text; it is no safetensors file",
  ],
  [
    "an empty header",
    "no object",
    fileOf(""),
    'header: begins with "", not with a brace; it is no safetensors file',
  ],
  [
    "a header that begins with a space",
    "no object",
    fileOf(" {}"),
    'header: begins with " ", not with a brace; it is no safetensors file',
  ],
  [
    "a header that begins with a byte order mark",
    "no object",
    fileOf("\ufeff{}"),
    'header: begins with "\ufeff", not with a brace; it is no safetensors file',
  ],
  [
    "an array",
    "no object",
    fileOf("[]"),
    'header: begins with "[", not with a brace; it is no safetensors file',
  ],
  ["a header that is cut off", "no JSON", fileOf('{"a":'), "header: is no JSON: ends too early"],
  [
    "a header with more after it",
    "no JSON",
    fileOf("{} {}"),
    'header: is no JSON: has an unexpected "{" at 3',
  ],
  [
    "a header padded with zeros",
    "no JSON",
    fileOf("{}\0\0"),
    'header: is no JSON: has an unexpected "\\u0000" at 2',
  ],
  [
    "a header that nests too deeply",
    "no JSON",
    fileOf(`{"a":${"[".repeat(100_000)}`),
    "header: is no JSON: nests more than 32 levels deep",
  ],
  [
    "two tensors of one name",
    "duplicate name",
    fileOf(`{"a":${entry(0, 4, "[1]")},"a":${entry(0, 4, "[1]")}}`, new Uint8Array(4)),
    'header: "a" is there twice',
  ],
  [
    "two tensors of one name, spelt differently",
    "duplicate name",
    fileOf(`{"a":${entry(0, 4, "[1]")},"\\u0061":${entry(4, 8, "[1]")}}`, new Uint8Array(8)),
    'header: "a" is there twice',
  ],
  [
    "a field that is there twice",
    "duplicate name",
    fileOf('{"a":{"dtype":"F32","dtype":"I32","shape":[0],"data_offsets":[0,0]}}'),
    'header: "dtype" is there twice',
  ],
  [
    "metadata that is no object",
    "bad metadata",
    fileOf('{"__metadata__":"pt"}'),
    "header: __metadata__ isn't a mapping of texts",
  ],
  [
    "metadata with a number",
    "bad metadata",
    fileOf('{"__metadata__":{"format":"pt","version":1}}'),
    "header: __metadata__ isn't a mapping of texts",
  ],
  [
    "metadata with an object",
    "bad metadata",
    fileOf('{"__metadata__":{"format":{}}}'),
    "header: __metadata__ isn't a mapping of texts",
  ],
  ["a tensor that is no object", "bad entry", fileOf('{"a":[]}'), 'header: "a": isn\'t an object'],
  [
    "a tensor without a dtype",
    "bad entry",
    fileOf('{"a":{"shape":[0],"data_offsets":[0,0]}}'),
    'header: "a": has no dtype',
  ],
  [
    "a tensor without a shape",
    "bad entry",
    fileOf('{"a":{"dtype":"F32","data_offsets":[0,0]}}'),
    'header: "a": has no shape',
  ],
  [
    "a tensor without offsets",
    "bad entry",
    fileOf('{"a":{"dtype":"F32","shape":[0]}}'),
    'header: "a": has no data_offsets',
  ],
  [
    "a tensor with a field more",
    "bad entry",
    fileOf('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"stride":[1]}}'),
    'header: "a": has an unknown field "stride"',
  ],
  [
    "a dtype that isn't known",
    "unknown dtype",
    fileOf(`{"a":${entry(0, 4, "[1]", "F31")}}`, new Uint8Array(4)),
    'header: "a": has dtype "F31", which ckpt doesn\'t know',
  ],
  [
    "a dtype in small letters",
    "unknown dtype",
    fileOf(`{"a":${entry(0, 4, "[1]", "f32")}}`, new Uint8Array(4)),
    'header: "a": has dtype "f32", which ckpt doesn\'t know',
  ],
  [
    "a dtype of four bits",
    "unknown dtype",
    fileOf(`{"a":${entry(0, 4, "[8]", "F4")}}`, new Uint8Array(4)),
    'header: "a": has dtype "F4", which ckpt doesn\'t know',
  ],
  [
    "a dtype that is no text",
    "unknown dtype",
    fileOf('{"a":{"dtype":32,"shape":[0],"data_offsets":[0,0]}}'),
    'header: "a": has dtype that is no text, which ckpt doesn\'t know',
  ],
  ...["4", '"[1]"', "[-1]", "[1.0]", "[1e0]", "[null]", '["1"]', "[[1]]", "[9007199254740992]"].map((shape) =>
    [
      `the shape ${shape}`,
      "bad shape",
      fileOf(`{"a":${entry(0, 4, shape)}}`, new Uint8Array(4)),
      'header: "a": has a shape that isn\'t a sequence of whole numbers',
    ] as const
  ),
  [
    "a dimension too many",
    "bad shape",
    fileOf(`{"a":${entry(0, 4, `[${Array(MAX_DIMENSIONS + 1).fill(1)}]`)}}`, new Uint8Array(4)),
    'header: "a": has 65 dimensions, more than 64',
  ],
  [
    "a shape with more bytes than can be counted",
    "too large",
    fileOf(`{"a":${entry(0, 0, "[4294967296,4294967296,4294967296]")}}`),
    'header: "a": has a shape [4294967296, 4294967296, 4294967296] with more bytes than can be counted',
  ],
  ...["4", "[0]", "[0,4,8]", "[-4,4]", "[0,4.0]", "[0,null]", '{"0":4}', "[0,9007199254740992]"].map((
    offsets,
  ) =>
    [
      `the offsets ${offsets}`,
      "bad offsets",
      fileOf(`{"a":{"dtype":"F32","shape":[1],"data_offsets":${offsets}}}`, new Uint8Array(4)),
      'header: "a": has data_offsets that aren\'t two whole numbers',
    ] as const
  ),
  [
    "offsets the wrong way round",
    "bad offsets",
    fileOf(`{"a":${entry(4, 0, "[1]")}}`, new Uint8Array(4)),
    'header: "a": starts at 4, past its end 0',
  ],
  [
    "a span that is too long",
    "wrong span",
    fileOf(`{"a":${entry(0, 5, "[1]")}}`, new Uint8Array(5)),
    'header: "a": has 5 bytes, but float32 [1] needs 4',
  ],
  [
    "a span that is too short",
    "wrong span",
    fileOf(`{"a":${entry(0, 22, "[2,3]")}}`, new Uint8Array(22)),
    'header: "a": has 22 bytes, but float32 [2, 3] needs 24',
  ],
  [
    "a scalar without bytes",
    "wrong span",
    fileOf(`{"a":${entry(0, 0, "[]")}}`),
    'header: "a": has 0 bytes, but float32 [] needs 4',
  ],
  [
    "bytes of an empty tensor",
    "wrong span",
    fileOf(`{"a":${entry(0, 4, "[3,0]")}}`, new Uint8Array(4)),
    'header: "a": has 4 bytes, but float32 [3, 0] needs 0',
  ],
  [
    "tensors that overlap",
    "overlap",
    fileOf(`{"a":${entry(0, 8, "[2]")},"b":${entry(4, 12, "[2]")}}`, new Uint8Array(12)),
    'header: "b" starts at 4, before the end of "a" at 8',
  ],
  [
    "tensors at the same place",
    "overlap",
    fileOf(`{"a":${entry(0, 4, "[1]")},"b":${entry(0, 4, "[1]")}}`, new Uint8Array(4)),
    'header: "b" starts at 0, before the end of "a" at 4',
  ],
  [
    "an empty tensor in the middle of another",
    "overlap",
    fileOf(`{"a":${entry(0, 8, "[2]")},"b":${entry(4, 4, "[0]")}}`, new Uint8Array(8)),
    'header: "b" starts at 4, before the end of "a" at 8',
  ],
  [
    "a gap in front",
    "gap",
    fileOf(`{"a":${entry(4, 8, "[1]")}}`, new Uint8Array(8)),
    'header: "a" starts at 4, 4 bytes after the header',
  ],
  [
    "a gap",
    "gap",
    fileOf(`{"b":${entry(12, 16, "[1]")},"a":${entry(0, 4, "[1]")}}`, new Uint8Array(16)),
    'header: "b" starts at 12, 8 bytes after "a"',
  ],
  [
    "a file that is cut off",
    "missing bytes",
    fileOf(`{"a":${entry(0, 8, "[2]")}}`, new Uint8Array(7)),
    "holds 7 bytes of tensors, but its header speaks of 8; copy the file again",
  ],
  [
    "a byte after the last tensor",
    "trailing bytes",
    fileOf(`{"a":${entry(0, 8, "[2]")}}`, new Uint8Array(9)),
    "has 1 bytes after its last tensor; it is damaged, or something was appended to it",
  ],
  [
    "bytes without a tensor",
    "trailing bytes",
    fileOf("{}", new Uint8Array(8)),
    "has 8 bytes after its last tensor; it is damaged, or something was appended to it",
  ],
  [
    "a name of many lines",
    "bad entry",
    fileOf(`{"${"a\\n".repeat(80)}":1}`),
    `header: "${"a\\n".repeat(50)}…": isn't an object`,
  ],
];

for (const [what, problem, file, message] of malformed) {
  Deno.test(`openSafetensors() refuses ${what}`, async () => {
    await assertRefused(new MemorySource(file), problem, message);
  });
}

Deno.test("openSafetensors() says what lies in place of the file", async () => {
  for (
    const [text, message] of [
      [
        "version https://git-lfs.github.com/spec/v1\noid sha256:82e9\n",
        "is a Git LFS pointer, not the file itself; fetch it with git lfs pull",
      ],
      ["<html><body>Not found</body></html>", "is a web page, not the file itself; download it again"],
    ] as const
  ) {
    await assertRefused(new MemorySource(new TextEncoder().encode(text)), "header too large", message);
  }
});

Deno.test("openSafetensors() reads nothing past the length of a header that can't be", async () => {
  const source = new MemorySource(fileOf("{}".padEnd(56), undefined, 2n ** 40n), 2 ** 41);
  await assertRefused(
    source,
    "header too large",
    "states a header of 1099511627776 bytes, more than the 100000000 that safetensors allows; it is no safetensors " +
      "file, or damaged",
  );
  assertEquals(source.reads, [[0, 8], [0, 64]]);
});

Deno.test("openSafetensors() reads the length and the header, and no tensor", async () => {
  const header = `{"a":${entry(0, 2 ** 40, `[${2 ** 38}]`)}}   `;
  const source = new MemorySource(fileOf(header), 8 + header.length + 2 ** 40);
  const { tensors } = await openSafetensors(source);
  assertEquals(tensors.get("a")!.shape, [2 ** 38]);
  assertEquals(source.reads, [[0, 8], [8, header.length]]);
});

Deno.test("parseHeader() allows what the format allows", () => {
  const dimensions = Array<number>(MAX_DIMENSIONS).fill(1);
  const text = `{"e":${entry(12, 12, "[0,9007199254740991]")}, "b" : ${entry(4, 8, `[${dimensions}]`)},\n` +
    `"d":${entry(8, 12, "[]")},"a":${entry(0, 4, "[1]")},"c":${entry(8, 8, "[2,0]")},"__metadata__":{}}  `;
  const { metadata, tensors } = parseHeader(new TextEncoder().encode(text), 12, "x");
  assertEquals(metadata, new Map());
  assertEquals([...tensors].map(([name, { shape, start, end }]) => [name, shape, start, end]), [
    ["a", [1], 0, 4],
    ["b", dimensions, 4, 8],
    ["c", [2, 0], 8, 8],
    ["d", [], 8, 12],
    ["e", [0, 9007199254740991], 12, 12],
  ]);
});

Deno.test("parseHeader() orders empty tensors at the place of another before it", () => {
  const text = `{"a":${entry(0, 4, "[1]")},"b":${entry(0, 0, "[0]")},"c":${entry(4, 4, "[0]")}}`;
  const { tensors } = parseHeader(new TextEncoder().encode(text), 4, "x");
  assertEquals([...tensors.keys()], ["b", "a", "c"]);
});

Deno.test("parseHeader() never throws anything but a SafetensorsError, whichever byte of a header is changed", () => {
  const text = `{"__metadata__":{"format":"pt"},"a":${entry(0, 4, "[1]")},"b":${entry(4, 12, "[2]")}}`;
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at++) {
    for (const byte of [0, 0x22, 0x2d, 0x30, 0x39, 0x5b, 0x5c, 0x7b, 0x7d, 0xff, bytes[at]! ^ 1]) {
      const changed = bytes.slice();
      changed[at] = byte;
      try {
        parseHeader(changed, 12, "x");
      } catch (error) {
        assertEquals((error as Error).constructor, SafetensorsError, new TextDecoder().decode(changed));
      }
    }
  }
});
