import { FormatError } from "../../lib/error.ts";
import { readConfigText } from "../../lib/layouts/config_text.ts";
import { assertFails } from "../copy/_assert.ts";

Deno.test("readConfigText() reads no device or pipe, whose size says nothing", () => {
  assertFails(() => readConfigText("/dev/null"), FormatError, "/dev/null: is not a file; name the file");
});
