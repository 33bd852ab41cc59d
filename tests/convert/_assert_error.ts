import { assertEquals, assertThrows } from "@std/assert";

/** Asserts that a function throws an error of exactly a class, with exactly a message. */
export function assertError(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  errorClass: new (...args: any[]) => Error,
  message: string,
): void {
  const error: Error = assertThrows(fn, errorClass);
  assertEquals(error.constructor, errorClass);
  assertEquals(error.message, message);
}
