/**
 * Asking for permissions: for just the paths that a command reads and writes, and just when it needs them.
 *
 * @module
 */

import { CheckpointError } from "../error.ts";
import { resolve } from "../deps.ts";

/** A permission that the user refused. */
export class PermissionError extends CheckpointError {}

/**
 * Asks for read permission for a path, unless it is granted already.
 *
 * @param path The path.
 * @throws {PermissionError} If it is refused.
 */
export async function requestRead(path: string): Promise<void> {
  await request({ name: "read", path }, `--allow-read=${path}`);
}

/**
 * Asks for read and write permission for an output directory, and for the directory beside it in which the
 * output is built.
 *
 * @param output The output directory.
 * @throws {PermissionError} If it is refused.
 */
export async function requestOutput(output: string): Promise<void> {
  const path = resolve(output);
  for (const each of [path, `${path}.partial`]) {
    await request({ name: "read", path: each }, `--allow-read=${each}`);
    await request({ name: "write", path: each }, `--allow-write=${each}`);
  }
}

async function request(descriptor: Deno.PermissionDescriptor, flag: string): Promise<void> {
  const { state } = await Deno.permissions.query(descriptor);
  if (state === "granted") return;
  const answer = await Deno.permissions.request(descriptor);
  if (answer.state === "granted") return;
  const what = descriptor.name === "write" ? "write" : "read";
  const { path } = descriptor as { path: string };
  throw new PermissionError(`${path}: permission to ${what} it was refused; run Deno with ${flag} (or -A)`);
}
