import { assertEquals } from "@std/assert";
import {
  CancelledError,
  CheckpointError,
  FileError,
  FormatError,
  MismatchError,
  OptionError,
} from "../lib/error.ts";

Deno.test("CheckpointError and its kinds go by their own names", () => {
  for (const Kind of [CheckpointError, FormatError, MismatchError, FileError, OptionError, CancelledError]) {
    const cause = new Error("cause");
    const error = new Kind("message", { cause });
    assertEquals([error.name, error.message, error.cause], [Kind.name, "message", cause]);
    assertEquals(error instanceof CheckpointError && error instanceof Error, true);
    assertEquals(`${error}`, `${Kind.name}: message`);
  }
});
