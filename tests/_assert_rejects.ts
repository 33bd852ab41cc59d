import { assertEquals, assertRejects } from "@std/assert";

/** Asserts that a promise is rejected with an error of exactly a class, with exactly a message. */
export async function assertRejectsWith(
  fn: () => Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  errorClass: new (...args: any[]) => Error,
  message: string,
): Promise<void> {
  const error: Error = await assertRejects(fn, errorClass);
  assertEquals(error.message, message);
  assertEquals(error.constructor, errorClass);
}
