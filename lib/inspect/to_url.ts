/**
 * Addresses of web servers, given where a path might be.
 *
 * @module
 */

/**
 * The URL that something to inspect is, where it is one of a web server.
 *
 * @param path A path or a URL. A `file:` URL object is a path.
 * @returns The URL, or `undefined` for a path.
 */
export function toUrl(path: string | URL): URL | undefined {
  const url = typeof path === "string"
    ? (/^https?:\/\//i.test(path) ? URL.parse(path) ?? undefined : undefined)
    : path;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined;
}
