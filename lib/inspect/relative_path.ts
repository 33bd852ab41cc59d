import { resolve } from "../deps.ts";

/** A path below a directory, with `/` between its parts, or the path itself where it isn't below it. */
export function relativePath(directory: string, path: string): string {
  const [above, whole] = [resolve(directory), resolve(path)];
  const below = whole.startsWith(above) ? whole.slice(above.length) : "";
  // The root ends with a separator itself.
  if (!/^[/\\]/.test(below) && !/[/\\]$/.test(above) || below === "") return path;
  const name = below.replace(/^[/\\]+/, "");
  return Deno.build.os === "windows" ? name.replaceAll("\\", "/") : name;
}
