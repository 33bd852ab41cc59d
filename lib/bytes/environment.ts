/** Leave to read variables of the environment, asked for by name: only what lies elsewhere needs any. */

import { FileError } from "../error.ts";

/** What Deno may be asked for leave to. */
interface Leave {
  /** Variables of the environment; `AWS_*` stands for all that begin like that. */
  readonly variables: readonly string[];
  /** What is asked of the system. */
  readonly system?: "osRelease";
}

/**
 * Asks for leave, as far as it isn't given.
 *
 * @param path What it is for.
 * @throws {FileError} If it is refused.
 */
export async function requestEnvironment(path: string, { variables, system }: Leave): Promise<void> {
  const asked: Deno.PermissionDescriptor[] = variables.map((variable) => ({ name: "env", variable }));
  if (system !== undefined) asked.push({ name: "sys", kind: system });
  for (const descriptor of asked) {
    const { state } = await Deno.permissions.request(descriptor);
    if (state === "granted") continue;
    const flags = [
      `--allow-env=${variables.join(",")}`,
      ...system === undefined ? [] : [`--allow-sys=${system}`],
    ];
    throw new FileError(`${path}: needs to read the environment; run Deno with ${flags.join(" ")} (or -A)`);
  }
}
