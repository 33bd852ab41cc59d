/** What Linux says about this process, under `/proc/self`. */

/**
 * The text of a file under `/proc/self`.
 *
 * @returns The text; `undefined` where there is none, or it may not be read: Deno wants all permissions for it, and is
 * not asked for them here.
 */
export function processFacts(name: "limits" | "status"): string | undefined {
  const path = `/proc/self/${name}`;
  try {
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
