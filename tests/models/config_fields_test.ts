import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../lib/models/config_error.ts";
import {
  anyNumber,
  boolean,
  ConfigFields,
  type Kind,
  mapping,
  nonNegativeInteger,
  nullable,
  positiveInteger,
  positiveNumber,
  positivePair,
  show,
  text,
} from "../../lib/models/config_fields.ts";
import { assertError } from "../convert/_assert_error.ts";

function fieldsOf(value: unknown): ConfigFields {
  return new ConfigFields("a.yaml", "top", new Map([["x", value]]));
}

Deno.test("ConfigFields.get() takes the values of a kind and refuses all others", () => {
  const cases: [kind: Kind<unknown>, expected: string, good: unknown[], bad: unknown[]][] = [
    [positiveInteger(9), "a positive integer", [1, 9], [0, -1, 1.5, NaN, "1", true, null, [1], new Map()]],
    [nonNegativeInteger(9), "a non-negative integer", [0, 9], [-1, 0.5, "0", null]],
    [positiveNumber, "a positive number", [0.1, 3], [0, -1, Infinity, NaN, "1", null]],
    [anyNumber, "a number", [0, -1.5], [Infinity, NaN, "1", null]],
    [boolean, "true or false", [true, false], [0, 1, "true", null]],
    [text, "a text", ["", "a"], [1, null, [], true]],
    [mapping, "a mapping", [new Map()], [{}, [], null, "a"]],
    [positivePair, "a sequence of two positive numbers", [[1, 4]], [
      [1],
      [1, 2, 3],
      [1, 0],
      ["1", 2],
      1,
      null,
    ]],
    [nullable(text), "a text or null", ["a", null], [1, undefined]],
  ];
  for (const [kind, expected, good, bad] of cases) {
    for (const value of good) assertEquals(fieldsOf(value).get("x", kind), value);
    for (const value of bad) {
      const got = value === undefined
        ? `missing, expected ${expected}`
        : `expected ${expected}, got ${show(value)}`;
      const error: ConfigError = assertThrows(() => fieldsOf(value).get("x", kind), ConfigError);
      assertEquals([error.message, error.file, error.field], [`a.yaml: top.x: ${got}`, "a.yaml", "top.x"]);
    }
  }
});

Deno.test("ConfigFields.get() says which limit a number is past", () => {
  assertError(
    () => fieldsOf(10).get("x", nullable(positiveInteger(9))),
    ConfigError,
    "a.yaml: top.x: expected at most 9 or null, got 10",
  );
  assertError(
    () => fieldsOf(10).get("x", nonNegativeInteger(9)),
    ConfigError,
    "a.yaml: top.x: expected at most 9, got 10",
  );
});

Deno.test("ConfigFields.get() gives a missing field the value for its absence, but not a wrong one", () => {
  assertEquals(fieldsOf("a").get("y", positiveNumber, 5), 5);
  assertError(
    () => fieldsOf("a").get("x", positiveNumber, 5),
    ConfigError,
    'a.yaml: top.x: expected a positive number, got "a"',
  );
});

Deno.test("ConfigFields.optional() gives nothing for a missing field and for null", () => {
  assertEquals(fieldsOf(null).optional("x", text), undefined);
  assertEquals(fieldsOf(null).optional("y", text), undefined);
  assertEquals(fieldsOf("").optional("x", text), "");
  assertError(
    () => fieldsOf(1).optional("x", text),
    ConfigError,
    "a.yaml: top.x: expected a text or null, got 1",
  );
});

Deno.test("ConfigFields.nested() carries the path on", () => {
  const nested = fieldsOf(new Map([["z", 0]])).nested("x");
  assertEquals([nested.file, nested.path, nested.values.get("z")], ["a.yaml", "top.x", 0]);
  assertError(
    () => nested.get("z", boolean),
    ConfigError,
    "a.yaml: top.x.z: expected true or false, got 0",
  );
  assertError(
    () => fieldsOf([]).nested("x"),
    ConfigError,
    "a.yaml: top.x: expected a mapping, got a sequence",
  );
});

Deno.test("show() keeps to one line and to a length", () => {
  assertEquals(show("a\n\x1b[31m"), '"a\\n\\u001b[31m"');
  assertEquals(show("x".repeat(100)), `"${"x".repeat(40)}…"`);
  assertEquals([show(null), show([]), show(new Map()), show(1.5), show(true)], [
    "null",
    "a sequence",
    "a mapping",
    "1.5",
    "true",
  ]);
});
