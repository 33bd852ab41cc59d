/**
 * Assertions on errors: the class and the message, both exactly.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";

// deno-lint-ignore no-explicit-any -- Error classes differ in what they are constructed with.
type ErrorClass = new (...args: any[]) => Error;

/** Asserts that a function throws an error of exactly this class with exactly this message. */
export function assertFails(run: () => unknown, type: ErrorClass, message: string): void {
  check(assertThrows(run) as Error, type, message);
}

/** Asserts that a promise is rejected with an error of exactly this class with exactly this message. */
export async function assertFailsAsync(
  run: () => Promise<unknown>,
  type: ErrorClass,
  message: string,
): Promise<void> {
  check(await assertRejects(run) as Error, type, message);
}

function check(error: Error, type: ErrorClass, message: string): void {
  assertEquals(error.message, message);
  assertStrictEquals(error.constructor, type);
}
