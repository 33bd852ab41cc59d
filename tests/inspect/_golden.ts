/**
 * The golden data of `fixtures/inspect`.
 *
 * @module
 */

const folder = new URL("../../fixtures/inspect/", import.meta.url);

/** The path of a golden file. */
export function goldenPath(name: string): string {
  return new URL(name, folder).pathname;
}

/** The value of a golden JSON file. */
export function golden<T>(name: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(name, folder))) as T;
}
