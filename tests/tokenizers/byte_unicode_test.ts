import { assertEquals } from "@std/assert";
import { byteLevelText, characterOfByte } from "../../lib/tokenizers/byte_unicode.ts";

Deno.test("characterOfByte[] has a character of its own for each byte, none of which is a space or a control", () => {
  assertEquals(characterOfByte.length, 256);
  assertEquals(new Set(characterOfByte).size, 256);
  assertEquals(characterOfByte.filter((character) => !/^[^\p{Z}\p{C}]$/u.test(character)), []);
});

Deno.test("byteLevelText() stands for bytes as GPT-2's encoder does", () => {
  assertEquals(byteLevelText(""), "");
  assertEquals(byteLevelText("\x00\t\n\r !az~\x7f"), "ĀĉĊčĠ!az~ġ");
  assertEquals(byteLevelText("\x80\x9f\xa0\xa1\xac\xad\xae\xff"), "ĢŁł¡¬Ń®ÿ");
});
