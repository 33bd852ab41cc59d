import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { PythonFloat } from "../../lib/python/python_number.ts";
import { printYaml, type YamlMapping, type YamlValue } from "../../lib/python/yaml_printer.ts";
import { parseYamlMapping } from "../../lib/layouts/fairseq2/yaml_mapping.ts";
import { assertError } from "../convert/_assert_error.ts";

/** A value as the fixture has it. */
type Described =
  | null
  | boolean
  | number
  | string
  | Described[]
  | { float: string }
  | { mapping: [string, Described][] };

const dumps: [Described, string][] = JSON.parse(
  Deno.readTextFileSync(join(import.meta.dirname!, "..", "..", "fixtures", "llama", "yaml_dumps.json")),
);

function valueOf(described: Described): YamlValue {
  if (typeof described !== "object" || described === null) return described;
  if (Array.isArray(described)) return described.map(valueOf) as YamlValue;
  if ("float" in described) return new PythonFloat(Number(described.float));
  return new Map(described.mapping.map(([key, item]) => [key, valueOf(item)]));
}

/** A value as the parser gives it. */
function parsedOf(value: YamlValue): unknown {
  if (value instanceof PythonFloat) return value.value;
  if (Array.isArray(value)) return value.map(parsedOf);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, parsedOf(item)]));
  return value;
}

for (const [described, text] of dumps) {
  Deno.test(`printYaml() prints what PyYAML does, and it reads back: ${text.replaceAll("\n", "↵")}`, () => {
    const value = valueOf(described) as YamlMapping;
    assertEquals(printYaml(value), text);
    assertEquals(parseYamlMapping(text, "x"), parsedOf(value));
  });
}

Deno.test("printYaml() refuses what it doesn't print", () => {
  const refused: readonly (readonly [value: YamlValue, message: string])[] = [
    ["", 'Cannot print "" as YAML: it needs quotes'],
    ["two words", 'Cannot print "two words" as YAML: it needs quotes'],
    ["0.5", 'Cannot print "0.5" as YAML: it needs quotes'],
    ["No", 'Cannot print "No" as YAML: it needs quotes'],
    ["null", 'Cannot print "null" as YAML: it needs quotes'],
    ["a: b", 'Cannot print "a: b" as YAML: it needs quotes'],
    [0.5, "Cannot print 0.5 as a Python int: wrap it as a PythonFloat"],
    [2 ** 53, "Cannot print 9007199254740992 as a Python int: wrap it as a PythonFloat"],
    [new PythonFloat(NaN), "Cannot print NaN as YAML: it isn't finite"],
    [new PythonFloat(-Infinity), "Cannot print -Infinity as YAML: it isn't finite"],
    [[], "Cannot print a sequence as YAML: it is empty"],
    [new Map(), "Cannot print a mapping as YAML: it is empty"],
  ];
  for (const [value, message] of refused) {
    assertError(() => printYaml(new Map([["key", value]])), TypeError, message);
  }
  assertError(() => printYaml(new Map([["on", 1]])), TypeError, 'Cannot print "on" as YAML: it needs quotes');
});
