import { assertEquals } from "@std/assert";
import { breakable, escaped, shortNumber, visible } from "../../lib/report/html.ts";

Deno.test("visible() shows by their numbers the characters that aren't seen, or that turn others around", () => {
  assertEquals(visible("layers.0.ffn_norm.weight ✓ é 漢"), "layers.0.ffn_norm.weight ✓ é 漢");
  assertEquals(visible("a\u202eb\u2066\u200b\ufeff"), "a\\u{202e}b\\u{2066}\\u{200b}\\u{feff}");
  assertEquals(visible("\0\n\t\x7f\x85\u2028"), "\\u{0}\\u{a}\\u{9}\\u{7f}\\u{85}\\u{2028}");
  assertEquals(visible("\ud800 \u{e0001} 😀"), "\\u{d800} \\u{e0001} 😀");
});

Deno.test("visible() cuts long texts in the middle", () => {
  assertEquals(visible("abcdefghij", 7), "abcd…ij");
  assertEquals(visible("abcdefg", 7), "abcdefg");
  assertEquals(visible("x".repeat(65536)).length, 240);
});

Deno.test("escaped() leaves nothing that is HTML, in an element or an attribute", () => {
  assertEquals(escaped(`<b a="1" b='2'>&amp;`), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;");
});

Deno.test("breakable() breaks names behind dots, slashes and underscores", () => {
  assertEquals(breakable("a.b_c/<d>."), "a.<wbr>b_<wbr>c/<wbr>&lt;d&gt;.");
});

Deno.test("shortNumber() has four digits, and all of a whole number", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [-0, "0"],
    [1234567, "1,234,567"],
    [-999, "-999"],
    [0.0123456, "0.01235"],
    [-1.000004, "-1"],
    [0.00001234567, "1.235e-5"],
    [-6.3e-39, "-6.3e-39"],
    [3.4e38, "3.4e+38"],
    [12.5, "12.5"],
  ];
  for (const [value, text] of cases) assertEquals(shortNumber(value), text);
});
