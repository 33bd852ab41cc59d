/**
 * Asking for permissions: for just the paths that a command reads and writes, and just when it needs them.
 */

import { CheckpointError } from "../error.ts";
import { resolve } from "../deps.ts";
import { modelYamlCandidates } from "../layouts/fairseq2/model_yaml_path.ts";

/** A permission that the user refused. */
class PermissionError extends CheckpointError {}

/** Asks for read permission for a path, unless it is granted already. */
export async function requestRead(path: string): Promise<void> {
  await request({ name: "read", path }, path, "read it");
}

/** Asks for read and write permission for an output directory, and for that beside it in which the output is built. */
export async function requestOutput(output: string): Promise<void> {
  for (const path of [resolve(output), `${resolve(output)}.partial`]) {
    await requestRead(path);
    await request({ name: "write", path }, path, "write it");
  }
}

/** Asks for permission to connect to the web server of an address. */
export async function requestNet({ host }: URL): Promise<void> {
  await request({ name: "net", host }, host, "connect to it");
}

/**
 * Asks for leave to look for the model.yaml above a checkpoint. Nothing happens if it is refused: then a model can
 * still be named, or be told by its shapes.
 */
export async function offerModelYaml(input: string): Promise<void> {
  for (const path of modelYamlCandidates(input)) await isGranted({ name: "read", path });
}

async function request(descriptor: Deno.PermissionDescriptor, of: string, what: string): Promise<void> {
  if (await isGranted(descriptor)) return;
  throw new PermissionError(
    `${of}: permission to ${what} was refused; run Deno with --allow-${descriptor.name}=${of} (or -A)`,
  );
}

/** Whether a permission is granted, or is now that it was asked for. */
async function isGranted(descriptor: Deno.PermissionDescriptor): Promise<boolean> {
  let { state } = await Deno.permissions.query(descriptor);
  if (state === "prompt") ({ state } = await Deno.permissions.request(descriptor));
  return state === "granted";
}
