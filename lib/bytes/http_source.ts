/**
 * Files on web servers, read by ranges of bytes (RFC 9110 section 14), never as a whole.
 *
 * The reader is zip.js's, which also notices when the file changes between two requests. What it asks for goes through
 * a `fetch` of our own, which stops at every answer that isn't a range.
 */

import { LimitedBytesTransformStream, loadZip } from "../deps.ts";
import { CancelledError, CheckpointError, FileError } from "../error.ts";
import { callback, checkOptions, type Rules, signal } from "../options.ts";
import { CachedSource } from "./cached_source.ts";
import { messageOf } from "./file_system.ts";
import type { ByteSource } from "./source.ts";

/** How to read from a web server. */
export interface HttpOptions {
  /**
   * Called before a host is asked for anything, also where another one redirected to it. It throws to refuse that.
   * Without it Deno itself asks for the permission, or refuses it.
   */
  readonly onHost?: (url: URL) => Promise<void>;
  /** Cancels the reading. */
  readonly signal?: AbortSignal;
}

export const httpRules: Rules<HttpOptions> = { onHost: callback, signal };

/** The most redirects that are followed; browsers follow 20. */
const MAX_REDIRECTS = 10;

/** How long a server may take for an answer, in milliseconds. The longest one has the size of a data.pkl. */
const TIMEOUT_MS = 120_000;

/**
 * Opens a file on a web server. Takes one request; others follow as the file is read, of some kilobytes each.
 *
 * @example Usage
 * ```ts
 * import { openHttpSource } from "@ckpt/ckpt/sources";
 * import { openSafetensors } from "@ckpt/ckpt/safetensors";
 * import { assertEquals } from "@std/assert";
 *
 * // A server of one file, of which it gives ranges.
 * const file = await Deno.readFile("fixtures/safetensors/mixed.safetensors");
 * await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ headers }) => {
 *   const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "")!;
 *   const part = file.slice(Number(from), Number(to) + 1);
 *   const range = `bytes ${from}-${Number(from) + part.length - 1}/${file.length}`;
 *   return new Response(part, { status: 206, headers: { "content-range": range } });
 * });
 * const source = await openHttpSource(new URL(`http://127.0.0.1:${server.addr.port}/mixed.safetensors`));
 * const { tensors } = await openSafetensors(source);
 * assertEquals(tensors.size > 0, true);
 * ```
 *
 * @param url The file's address, `http:` or `https:`.
 * @param options How to read it.
 * @returns The file.
 * @throws {FileError} If it can't be had, or the server gives no ranges of it.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function openHttpSource(url: URL, options: HttpOptions = {}): Promise<ByteSource> {
  checkOptions(options, httpRules);
  const shown = new URL(url);
  // What comes after the path may be a secret, and messages are shown around.
  shown.username =
    shown.password =
    shown.search =
    shown.hash =
      "";
  const path = shown.href;
  const { HttpReader } = await loadZip();
  const rangeFetch = new RangeFetch(url, path, options);
  const reader = new HttpReader(url.href, {
    forceRangeRequests: true,
    // A compressed range would be one of other bytes.
    headers: [["Accept-Encoding", "identity"]],
    fetch: (_url, init) => rangeFetch.fetch(init ?? {}),
  });
  await reading(path, options.signal, () => reader.init?.());
  const { size } = reader;
  return new CachedSource({
    path,
    size,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size) {
        throw new FileError(`${path}: can't read ${length} bytes at ${offset}: the file has ${size}`);
      }
      if (length === 0) return new Uint8Array();
      const bytes = await reading(path, options.signal, () => reader.readUint8Array(offset, length));
      return new Uint8Array(bytes);
    },
  });
}

async function reading<T>(path: string, signal: AbortSignal | undefined, read: () => T): Promise<Awaited<T>> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    if (signal?.aborted) throw new CancelledError("Cancelled");
    throw new FileError(`${path}: can't read it: ${messageOf(error)}`);
  }
}

/** Fetches ranges of one file, and nothing else. */
class RangeFetch {
  readonly #path: string;
  readonly #options: HttpOptions;
  /** Where the file really is; asked for at once from the second request on. */
  #target: URL;
  #asked: string | undefined;

  constructor(url: URL, path: string, options: HttpOptions) {
    this.#target = url;
    this.#path = path;
    this.#options = options;
  }

  async fetch(init: RequestInit): Promise<Response> {
    const { onHost, signal } = this.#options;
    const range = rangeLength(init);
    // zip.js would fetch the whole file to learn how long it is.
    if (range === undefined && init.method !== "HEAD") {
      throw new FileError(
        `${this.#path}: the server doesn't say how long the file is; download it and name the file`,
      );
    }
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const url = this.#target;
      if (this.#asked !== url.host) await onHost?.(url);
      this.#asked = url.host;
      let response: Response;
      try {
        response = await fetch(url, {
          ...init,
          redirect: "manual",
          signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        });
      } catch (error) {
        throw signal?.aborted ? new CancelledError("Cancelled") : this.#unreachable(error);
      }
      if (response.status === 206) return await this.#limited(response, range);
      if (response.status === 200 && init.method === "HEAD") return response;
      await response.body?.cancel();
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) throw this.#refusal(response);
      this.#target = this.#redirect(url, location);
    }
    throw new FileError(`${this.#path}: the server redirects more than ${MAX_REDIRECTS} times`);
  }

  /** The answer with its body read, which may not be longer than what was asked for. */
  async #limited({ body, headers }: Response, length = 0): Promise<Response> {
    const limited = body?.pipeThrough(new LimitedBytesTransformStream(length, { error: true }));
    try {
      return new Response(await new Response(limited).bytes(), { status: 206, headers });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new FileError(
        `${this.#path}: the server gives more than it was asked for; download it and name the file`,
      );
    }
  }

  #redirect(from: URL, location: string): URL {
    const to = URL.parse(location, from);
    if (to?.protocol === "https:" || (to?.protocol === "http:" && from.protocol === "http:")) return to;
    throw new FileError(`${this.#path}: the server redirects to an address that isn't followed`);
  }

  #unreachable(error: unknown): FileError {
    if (error instanceof Deno.errors.NotCapable) {
      const { host } = this.#target;
      return new FileError(
        `${this.#path}: Deno was not allowed to connect to ${host}; grant --allow-net=${host}`,
      );
    }
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    return new FileError(
      `${this.#path}: ${
        isLate ? `no answer within ${TIMEOUT_MS / 1000} seconds` : "can't reach the server"
      }; check the address and the network`,
    );
  }

  #refusal({ status }: Response): FileError {
    const said = `(HTTP ${status})`;
    if (status === 200) {
      return new FileError(
        `${this.#path}: the server gives the file only as a whole, no ranges of it ${said}; ` +
          "download it and name the file",
      );
    }
    if (status === 401 || status === 403) {
      return new FileError(
        `${this.#path}: the server doesn't give it to everyone ${said}; download it and name the file`,
      );
    }
    if (status === 404 || status === 410) {
      return new FileError(`${this.#path}: the server has no such file ${said}; check the address`);
    }
    if (status === 416) return new FileError(`${this.#path}: the file is empty ${said}`);
    return new FileError(`${this.#path}: the server gives an error ${said}; try again later`);
  }
}

/** The number of bytes that a request asks for. */
function rangeLength({ headers }: RequestInit): number | undefined {
  const match = /^bytes=(\d+)-(\d+)$/.exec(new Headers(headers).get("range") ?? "");
  return match === null ? undefined : Number(match[2]) - Number(match[1]) + 1;
}
