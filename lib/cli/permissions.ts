/**
 * Asking for permissions: for just the paths that a command reads and writes, and just when it needs them.
 *
 * @module
 */

import { CheckpointError } from "../error.ts";
import { resolve } from "../deps.ts";
import { modelYamlCandidates } from "../layouts/fairseq2/model_yaml_path.ts";

/** A permission that the user refused. */
class PermissionError extends CheckpointError {}

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

/**
 * Asks for permission to connect to a web server.
 *
 * @param url An address on the server.
 * @throws {PermissionError} If it is refused.
 */
export async function requestNet({ host }: URL): Promise<void> {
  const descriptor: Deno.PermissionDescriptor = { name: "net", host };
  if (await isGranted(descriptor)) return;
  throw new PermissionError(
    `${host}: permission to connect to it was refused; run Deno with --allow-net=${host} (or -A)`,
  );
}

/**
 * Asks for leave to look for the model.yaml above a checkpoint. Nothing happens if it is refused: then a model can
 * still be named, or be told by its shapes.
 *
 * @param input The checkpoint.
 */
export async function offerModelYaml(input: string): Promise<void> {
  for (const path of modelYamlCandidates(input)) await isGranted({ name: "read", path });
}

async function request(descriptor: Deno.PermissionDescriptor, flag: string): Promise<void> {
  if (await isGranted(descriptor)) return;
  const what = descriptor.name === "write" ? "write" : "read";
  const { path } = descriptor as { path: string };
  throw new PermissionError(`${path}: permission to ${what} it was refused; run Deno with ${flag} (or -A)`);
}

/** Whether a permission is granted, or is now that it was asked for. */
async function isGranted(descriptor: Deno.PermissionDescriptor): Promise<boolean> {
  let { state } = await Deno.permissions.query(descriptor);
  if (state === "prompt") ({ state } = await Deno.permissions.request(descriptor));
  return state === "granted";
}
