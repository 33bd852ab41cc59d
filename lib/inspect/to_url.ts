/** The URL of something on a web server, given where a path might be; `undefined` of a path, which a `file:` URL is too. */
export function toUrl(path: string | URL): URL | undefined {
  const url = typeof path === "string"
    ? (/^https?:\/\//i.test(path) ? URL.parse(path) ?? undefined : undefined)
    : path;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined;
}
