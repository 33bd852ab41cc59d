/**
 * Files on web servers, read by ranges of bytes (RFC 9110 section 14): what each answer has to be, what is tried again, and
 * which host is told what.
 */

import { CancelledError, CheckpointError, FileError } from "../error.ts";
import { messageOf } from "./file_system.ts";
import type { HttpOptions } from "./http_source.ts";
import { type RemoteFile, traffic } from "./remote.ts";
import { PassingFailure, retrying } from "./retry.ts";

/** The most redirects that are followed; browsers follow 20. */
const MAX_REDIRECTS = 10;

/** How long a server may say nothing, in milliseconds. */
const SILENT_MS = 60_000;

/** How servers are spoken to. */
export interface HttpClient extends HttpOptions {
  /** What the one at a URL is told beside what is asked for. A redirect to another host gets what that one is told. */
  headers?(url: URL): Readonly<Record<string, string>>;
  /** What an answer means that is none, where more is known of the server than of any. */
  refusal?(status: number, headers: Headers): string | undefined;
}

/** What is asked for. */
interface Asked {
  readonly method: "GET" | "HEAD";
  /** What it is called in messages. */
  readonly path: string;
  /** The first byte and the number of bytes; all of it by default. */
  readonly range?: { readonly offset: number; readonly length: number };
  /** The most bytes that an answer may have. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Who answered, after all redirects. */
  readonly url: URL;
  /** What the first server said that redirected. */
  readonly redirected?: Headers;
}

const known = new WeakMap<HttpClient, Set<string>>();

/**
 * Asks once. Answers that are no success are returned, too.
 *
 * @throws {PassingFailure} If there is no whole answer, or one that says to come again.
 * @throws {FileError} If there never will be.
 */
export async function ask(client: HttpClient, from: URL, asked: Asked): Promise<Answer> {
  const { method, path, range } = asked;
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENT_MS);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENT_MS);
  };
  const signals = [silence.signal, ...[client.signal, asked.signal].filter((each) => each !== undefined)];
  const isCancelled = () => client.signal?.aborted || asked.signal?.aborted;
  let [url, redirected] = [from, undefined as Headers | undefined];
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      await meet(client, url);
      const response = await fetch(url, {
        method,
        redirect: "manual",
        signal: AbortSignal.any(signals),
        headers: {
          ...client.headers?.(url),
          // A compressed range would be one of other bytes.
          "accept-encoding": "identity",
          ...(range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
        },
      });
      traffic.requests++;
      heard();
      const { status, headers } = response;
      const location = headers.get("location");
      if (status >= 300 && status < 400 && location !== null) {
        await response.body?.cancel();
        redirected ??= headers;
        url = redirect(path, url, location);
        continue;
      }
      if (status === 429 || status >= 500) {
        await response.body?.cancel();
        throw new PassingFailure(refusalOf(client, path, response), secondsOf(headers) * 1000);
      }
      // A server that sends all of a file for a part of it is not listened to.
      const isWhole = range !== undefined && status === 200;
      if (isWhole) await response.body?.cancel();
      const bytes = isWhole ? new Uint8Array() : await readBody(response, asked, heard);
      traffic.bytesRead += bytes.length;
      return { status, headers, bytes, url, ...(redirected && { redirected }) };
    }
    throw new FileError(`${path}: the server redirects more than ${MAX_REDIRECTS} times`);
  } catch (error) {
    if (isCancelled()) throw new CancelledError("Cancelled");
    if (error instanceof CheckpointError || error instanceof PassingFailure) throw error;
    throw unreachable(path, url, error, silence.signal.aborted);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets the caller decide on a host before it is asked for anything. */
async function meet(client: HttpClient, url: URL): Promise<void> {
  const hosts = known.get(client) ?? new Set();
  known.set(client, hosts);
  if (!hosts.has(url.host)) await client.onHost?.(url);
  hosts.add(url.host);
}

async function readBody(
  response: Response,
  { path, range, maxBytes }: Asked,
  heard: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const most = response.status === 206 ? range?.length ?? maxBytes : maxBytes;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    heard();
    length += part.length;
    if (length > most) {
      throw new FileError(`${path}: the server gives more than it was asked for; download it by other means`);
    }
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function redirect(path: string, from: URL, location: string): URL {
  const to = URL.parse(location, from);
  if (to?.protocol === "https:" || (to?.protocol === "http:" && from.protocol === "http:")) return to;
  throw new FileError(`${path}: the server redirects to an address that isn't followed`);
}

/** How many seconds a server asks to wait. */
function secondsOf(headers: Headers): number {
  return Number(/^\d+$/.exec(headers.get("retry-after") ?? "")?.[0] ?? 0);
}

function unreachable(path: string, { host }: URL, error: unknown, isSilent: boolean): Error {
  if (error instanceof Deno.errors.NotCapable) {
    return new FileError(`${path}: Deno was not allowed to connect to ${host}; grant --allow-net=${host}`);
  }
  const why = messageOf(error);
  if (/dns error|failed to lookup|not known/i.test(why)) {
    return new FileError(`${path}: the host ${host} isn't known; check the address and the network`);
  }
  const certificate = /invalid peer certificate: (\S+)/i.exec(why);
  if (certificate !== null) {
    return new FileError(
      `${path}: the certificate of ${host} isn't trusted (${certificate[1]}); see DENO_CERT`,
    );
  }
  return new PassingFailure(
    new FileError(
      isSilent
        ? `${path}: ${host} said nothing for ${SILENT_MS / 1000} seconds; try again later`
        : `${path}: can't reach ${host}, or it hangs up; check the address and the network`,
    ),
  );
}

/** The error for an answer that is none. */
export function refusalOf(
  client: HttpClient,
  path: string,
  { status, headers }: Pick<Answer, "status" | "headers">,
): FileError {
  const said = client.refusal?.(status, headers);
  if (said !== undefined) return new FileError(`${path}: ${said} (HTTP ${status})`);
  const text = status === 401 || status === 403
    ? "the server doesn't give it to everyone"
    : status === 404 || status === 410
    ? "the server has no such file or directory; check the address"
    : status === 429
    ? "the server has had too many requests; try again later"
    : "the server gives an error; try again later";
  return new FileError(`${path}: ${text} (HTTP ${status})`);
}

/** A file on a web server. */
export class HttpFile implements RemoteFile {
  readonly #client: HttpClient;
  readonly #url: URL;
  /** Where redirects lead. Such addresses often go for some minutes only. */
  #target: URL | undefined;
  /** The ETag, or the date of the last change, that each host gives for the file. */
  readonly #tags = new Map<string, string>();

  /**
   * Describes a file.
   *
   * @param url Where it is asked for.
   * @param tag The ETag or the date that `url` gave for it, if that was asked already.
   */
  constructor(
    client: HttpClient,
    url: URL,
    readonly path: string,
    readonly size: number,
    readonly version: string,
    tag?: string,
  ) {
    this.#client = client;
    this.#url = url;
    if (tag !== undefined) this.#tags.set(url.host, tag);
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return Promise.resolve(new Uint8Array());
    return retrying(() => this.#read(offset, length, signal), signal ?? this.#client.signal);
  }

  async #read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { path } = this;
    const range = { offset, length };
    const from = this.#target;
    const asked = { method: "GET", path, range, maxBytes: 1 << 20, signal } as const;
    const answer = await ask(this.#client, from ?? this.#url, asked);
    const { status, headers, bytes, url } = answer;
    if (status === 200) {
      throw new FileError(
        `${path}: the server gives the file only as a whole, no ranges of it; download it and name the file`,
      );
    }
    if (status === 412 || status === 416) throw this.#changed();
    if (status !== 206) {
      this.#target = undefined;
      const refusal = refusalOf(this.#client, path, answer);
      throw from === undefined ? refusal : new PassingFailure(refusal); // The address may have been good for a while only.
    }
    this.#target = url;
    const [, start, end, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ??
      [];
    if (total !== undefined && total !== "*" && Number(total) !== this.size) throw this.#changed();
    if (Number(start) !== offset || Number(end) !== offset + length - 1) {
      throw new FileError(
        `${path}: the server gives another range than it was asked for; download it by other means`,
      );
    }
    const tag = tagOf(headers);
    const before = this.#tags.get(url.host);
    if (before !== undefined && before !== tag) throw this.#changed();
    if (tag !== undefined) this.#tags.set(url.host, tag);
    if (bytes.length !== length) {
      throw new PassingFailure(new FileError(`${path}: the server hangs up in the middle; try again later`));
    }
    return bytes;
  }

  #changed(): FileError {
    return new FileError(
      `${this.path}: the file changed while it was read; wait until its writer is done, then run this again`,
    );
  }
}

/** What tells the bytes of a file from those that it had before. */
export function tagOf(headers: Headers): string | undefined {
  return headers.get("etag") ?? headers.get("last-modified") ?? undefined;
}
