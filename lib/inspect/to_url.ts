import { fileURLToPath } from "node:url";

/**
 * The URL of a file on a web server, given where a path might be. `undefined` of all that is opened by its path: what is on
 * this machine, which a `file:` URL is too, and places, which a directory on a web server is.
 */
export function toUrl(path: string | URL): URL | undefined {
  const url = typeof path === "string"
    ? (/^https?:\/\//i.test(path) ? URL.parse(path) ?? undefined : undefined)
    : path;
  const isOnWeb = url?.protocol === "http:" || url?.protocol === "https:";
  return isOnWeb && !url.pathname.endsWith("/") ? url : undefined;
}

/** The path of what isn't a file on a web server. */
export function toPath(path: string | URL): string {
  return path instanceof URL && path.protocol === "file:" ? fileURLToPath(path) : String(path);
}
