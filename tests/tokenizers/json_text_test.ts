import { assertEquals } from "@std/assert";
import { openJson, TextBuilder } from "../../lib/tokenizers/json_text.ts";

function textOf(builder: TextBuilder): string {
  return builder.toParts().map((part) => new TextDecoder().decode(part)).join("");
}

Deno.test("TextBuilder.toParts() gives the text that was appended", () => {
  const builder = new TextBuilder();
  assertEquals(builder.toParts(), []);
  const texts = Array.from({ length: 50_000 }, (_, i) => `${i} Ġ▁ ${String.fromCodePoint(0x1f600 + i % 64)}`);
  for (const text of texts) builder.append(text);
  assertEquals(textOf(builder), texts.join(""));
  assertEquals(builder.toParts().length > 1, true);
  builder.append("!");
  assertEquals(textOf(builder), `${texts.join("")}!`);
});

Deno.test("TextBuilder.appendItems() puts commas between items alone", () => {
  const builder = new TextBuilder();
  builder.appendItems([]);
  builder.appendItems(["a"]);
  builder.append(";");
  builder.appendItems(["b", "c", "d"]);
  assertEquals(textOf(builder), "a;b,\nc,\nd");
});

Deno.test("openJson() leaves out what closes a value, and indents the rest", () => {
  assertEquals(openJson({ a: [], b: { c: "x\ny" } }), '{\n  "a": [],\n  "b": {\n    "c": "x\\ny"\n  }');
  assertEquals(openJson({ a: 1, b: 2 }, "  "), '{\n    "a": 1,\n    "b": 2');
});
