import { FormatError } from "../../lib/error.ts";
import { readConfigTextNow } from "../../lib/layouts/config_text.ts";
import { assertFails } from "../copy/_assert.ts";

Deno.test("readConfigTextNow() reads no device or pipe, whose size says nothing", () => {
  assertFails(() => readConfigTextNow("/dev/null"), FormatError, "/dev/null: is not a file; name the file");
});
