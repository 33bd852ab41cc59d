import { assertEquals } from "@std/assert";
import { oneLine, plainJson, plainLines } from "../../lib/cli/plain_text.ts";

const HOSTILE = "a\x1b[2J\x07b\x7f\u009bc\u202ed\u2028e\r\nf\u2066g";

Deno.test("oneLine() leaves nothing that a terminal obeys", () => {
  assertEquals(oneLine(HOSTILE), "a [2J b c d e f g");
  assertEquals(oneLine("модель 模型 \u{1f600} é"), "модель 模型 \u{1f600} é");
});

Deno.test("plainLines() leaves line breaks alone", () => {
  assertEquals(plainLines("a\n\x1b[2J\tb\n"), "a\n [2J b\n");
});

Deno.test("plainJson() escapes what a terminal obeys, and reads back as it was", () => {
  const json = plainJson({ [HOSTILE]: [HOSTILE] });
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\u2066]/.test(json), false);
  assertEquals(JSON.parse(json), { [HOSTILE]: [HOSTILE] });
  assertEquals(plainJson({ a: [1, "é"] }), '{\n  "a": [\n    1,\n    "é"\n  ]\n}');
});
