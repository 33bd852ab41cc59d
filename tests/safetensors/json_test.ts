import { assertEquals } from "@std/assert";
import { JsonError, MAX_JSON_DEPTH, parseStrictJson } from "../../lib/safetensors/json.ts";
import { assertError } from "../convert/_assert_error.ts";

/** What the strict parser gives, with objects instead of maps. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map
    ? Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]))
    : value;
}

const texts = [
  "null",
  " true ",
  "false",
  "0",
  "-0",
  "-12.5e-3",
  "1E+2",
  '""',
  '"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83e\\udd99é🦙"',
  "[]",
  "[ ]",
  "{}",
  "{ }",
  '\t{"a" : [1 , {"b":null}\n], "":"x","c" : {}}\r\n',
  '{"constructor":1,"toString":[[],[[]]]}',
];

for (const text of texts) {
  Deno.test(`parseStrictJson() reads ${text.trim()} as JSON.parse does`, () => {
    assertEquals(plain(parseStrictJson(text)), JSON.parse(text));
  });
}

Deno.test("parseStrictJson() takes __proto__ for a name like any other", () => {
  assertEquals(parseStrictJson('{"__proto__":1}'), new Map([["__proto__", 1]]));
});

Deno.test("parseStrictJson() gives the text of each number to options.number", () => {
  assertEquals(parseStrictJson("[1.0, -2e3]", { number: (text) => text }), ["1.0", "-2e3"]);
});

const notJson: readonly (readonly [text: string, message: string])[] = [
  ["", "ends too early"],
  ["  ", "ends too early"],
  ["{", "ends too early"],
  ['{"a"', "ends too early"],
  ['{"a":', "ends too early"],
  ['{"a":1', "ends too early"],
  ["[1,", "ends too early"],
  ['"a', "ends too early"],
  ['"a\\"', "ends too early"],
  ["nul", 'has an unexpected "n" at 0'],
  ["NaN", 'has an unexpected "N" at 0'],
  ["-", 'has an unexpected "-" at 0'],
  ["+1", 'has an unexpected "+" at 0'],
  ["01", 'has an unexpected "1" at 1'],
  ["1.", 'has an unexpected "." at 1'],
  [".5", 'has an unexpected "." at 0'],
  ["1 2", 'has an unexpected "2" at 2'],
  ["{}}", 'has an unexpected "}" at 2'],
  ["[1,]", 'has an unexpected "]" at 3'],
  ["[1 2]", 'has an unexpected "2" at 3'],
  ['{"a":1,}', 'has an unexpected "}" at 7'],
  ["{a:1}", 'has an unexpected "a" at 1'],
  ["{'a':1}", 'has an unexpected "\'" at 1'],
  ['{"a" 1}', 'has an unexpected "1" at 5'],
  ["[]\u00a0", 'has an unexpected "\u00a0" at 2'],
  ["// x", 'has an unexpected "/" at 0'],
  ["🦙", 'has an unexpected "🦙" at 0'],
  ['"a\nb"', 'has an unexpected "\\n" at 2'],
  ['"\\x41"', "has a bad escape in the string at 0"],
  ['"\\u12g4"', "has a bad escape in the string at 0"],
  ['["\\ud800"]', "has half a character in a string at 1"],
  ['{"a":1,"b":2,"a":3}', '"a" is there twice'],
  ['{"a":1,"\\u0061":3}', '"a" is there twice'],
  ['[{"x":{"y":1,"y":1}}]', '"y" is there twice'],
];

for (const [text, message] of notJson) {
  Deno.test(`parseStrictJson() refuses ${JSON.stringify(text)}`, () => {
    assertError(() => parseStrictJson(text), JsonError, message);
  });
}

Deno.test(`parseStrictJson() reads ${MAX_JSON_DEPTH} levels, and refuses one more`, () => {
  const nested = (levels: number) => "[".repeat(levels) + "0" + "]".repeat(levels);
  assertEquals(parseStrictJson(nested(MAX_JSON_DEPTH)), JSON.parse(nested(MAX_JSON_DEPTH)));
  const tooDeep = `nests more than ${MAX_JSON_DEPTH} levels deep`;
  assertError(() => parseStrictJson(nested(MAX_JSON_DEPTH + 1)), JsonError, tooDeep);
  assertError(() => parseStrictJson("[".repeat(10_000_000)), JsonError, tooDeep);
});

Deno.test("parseStrictJson() reads a string of ten million characters", () => {
  const text = "é".repeat(10_000_000);
  assertEquals((parseStrictJson(`["${text}\\n"]`) as string[])[0]!.length, text.length + 1);
});
