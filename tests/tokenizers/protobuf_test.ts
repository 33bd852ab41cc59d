import { assertEquals } from "@std/assert";
import { protobufFields } from "../../lib/tokenizers/protobuf.ts";
import { assertError } from "../convert/_assert_error.ts";

function fields(hex: string) {
  return [...protobufFields(Uint8Array.fromHex(hex))];
}

Deno.test("protobufFields() reads the wire types that are in use", () => {
  assertEquals(fields(""), []);
  // The examples of protobuf's documentation.
  assertEquals(fields("089601"), [{ number: 1, value: 150n }]);
  assertEquals(fields("120774657374696e67"), [{ number: 2, value: new TextEncoder().encode("testing") }]);
  assertEquals(fields("08feffffffffffffffff01"), [{ number: 1, value: 0xffff_ffff_ffff_fffen }]);
  assertEquals(fields("0d0000803f"), [{ number: 1, value: 0x3f800000n }]);
  assertEquals(fields("090100000000000080"), [{ number: 1, value: 0x8000_0000_0000_0001n }]);
  assertEquals(fields("0a00" + "c80300"), [{ number: 1, value: new Uint8Array() }, {
    number: 57,
    value: 0n,
  }]);
});

Deno.test("protobufFields() refuses a message that ends within a field", () => {
  const cases: [string, string][] = [
    ["08", "Cannot read a field: it ends at byte 2, the message at 1"],
    ["0896", "Cannot read a field: it ends at byte 3, the message at 2"],
    ["0a0574657374", "Cannot read a field: it ends at byte 7, the message at 6"],
    ["0d000000", "Cannot read a field: it ends at byte 5, the message at 4"],
    ["0900000000000000", "Cannot read a field: it ends at byte 9, the message at 8"],
    [
      "0affffffffffffffffff01",
      "Cannot read a field: it ends at byte 18446744073709552000, the message at 11",
    ],
  ];
  for (const [hex, message] of cases) assertError(() => fields(hex), SyntaxError, message);
});

Deno.test("protobufFields() refuses groups, unknown wire types, and numbers that don't end", () => {
  assertError(() => fields("0b"), SyntaxError, "Cannot read field 1: it has the wire type 3");
  assertError(() => fields("17"), SyntaxError, "Cannot read field 2: it has the wire type 7");
  assertError(
    () => fields("08" + "ff".repeat(11)),
    SyntaxError,
    "Cannot read a number: it has more than 10 bytes",
  );
});
