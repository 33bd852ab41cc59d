/**
 * Files on web servers: one that is named, or those that the page of a directory links to, as nginx, Apache and Python's
 * http.server make them. A directory's address ends with a slash.
 */

import { FileError } from "../error.ts";
import { ask, type HttpClient, HttpFile, refusalOf, tagOf } from "./http_file.ts";
import type { HttpOptions } from "./http_source.ts";
import type { RemoteFile } from "./remote.ts";
import { retrying } from "./retry.ts";

/** The longest page of a directory, in bytes. */
const MAX_PAGE_BYTES = 1 << 23;

/** The most files of a directory. Each is asked for its size. */
const MAX_FILES = 2000;

/** How many are asked at a time. */
const ASKED_AT_ONCE = 8;

/** Finds the file at a URL. */
async function findFile(client: HttpClient, url: string): Promise<RemoteFile> {
  return await retrying(async () => {
    const answer = await ask(client, new URL(url), { method: "HEAD", path: shown(url), maxBytes: 0 });
    if (answer.status !== 200) throw refusalOf(client, shown(url), answer);
    const length = answer.headers.get("content-length");
    if (length === null) {
      throw new FileError(`${shown(url)}: the server doesn't say how long the file is; download it`);
    }
    const tag = tagOf(answer.headers);
    const version = tag ?? `${length} bytes`;
    const first = answer.url.host === new URL(url).host ? tag : undefined;
    return new HttpFile(client, new URL(url), url, Number(length), version, first);
  }, client.signal);
}

/** What comes after the path may be a secret, and messages are shown around. */
function shown(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

/** Lists the files that the page of a directory links to, or the file that a URL is of. */
export async function listHttp(url: string, options: HttpOptions): Promise<RemoteFile[]> {
  const client: HttpClient = { ...options };
  if (!url.endsWith("/")) return [await findFile(client, url)];
  const page = new URL(url);
  const answer = await retrying(
    () => ask(client, page, { method: "GET", path: url, maxBytes: MAX_PAGE_BYTES }),
    client.signal,
  );
  if (answer.status !== 200) throw refusalOf(client, url, answer);
  if (!/^text\/html\b/i.test(answer.headers.get("content-type") ?? "")) {
    throw new FileError(`${url}: the server gives no page that lists the directory; name a file`);
  }
  const names = linkedNames(new TextDecoder().decode(answer.bytes), page);
  if (names.length === 0) throw new FileError(`${url}: the page there links to no files; name a file`);
  if (names.length > MAX_FILES) throw new FileError(`${url}: links to more than ${MAX_FILES} files`);
  const files: RemoteFile[] = [];
  const queue = names.values();
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, async () => {
    for (const name of queue) files.push(await findFile(client, url + name));
  }));
  return files;
}

/** The names of files that a page links to right below itself. */
function linkedNames(html: string, page: URL): string[] {
  const names = new Set<string>();
  for (const [, quoted, plain] of html.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)) {
    const to = URL.parse((quoted ?? plain ?? "").replaceAll("&amp;", "&"), page);
    if (to?.origin !== page.origin || !to.pathname.startsWith(page.pathname) || to.search !== "") continue;
    const name = to.pathname.slice(page.pathname.length);
    if (name !== "" && !name.includes("/")) names.add(name);
  }
  return [...names].sort();
}

/** Finds a file; `undefined` where there is none, or none that may be read. */
export async function findHttpFile(url: string, options: HttpOptions): Promise<RemoteFile | undefined> {
  try {
    return await findFile({ ...options }, url);
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}
