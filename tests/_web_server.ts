/**
 * A web server for tests, which counts what it is asked for.
 */

import { join } from "../lib/deps.ts";

/** A request, as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | null;
}

/** How the server answers, beside giving ranges of its files. */
export type Answer = (request: Request, file: Uint8Array<ArrayBuffer>) => Response | undefined;

/** A server of files in a directory. */
export class WebServer implements AsyncDisposable {
  /** The requests so far. */
  readonly requests: SeenRequest[] = [];
  /** The bytes of files that were sent so far. */
  bytes = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Starts to serve a directory on a port of this machine. */
  constructor(directory: string, answer: Answer = () => undefined) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      const { pathname } = new URL(request.url);
      const range = request.headers.get("range");
      this.requests.push({ method: request.method, path: pathname, range });
      let file: Uint8Array<ArrayBuffer>;
      try {
        file = Deno.readFileSync(join(directory, decodeURIComponent(pathname)));
      } catch {
        file = new Uint8Array();
      }
      const response = answer(request, file) ?? this.#ranged(file, range);
      return response;
    });
  }

  /** The address of a file. */
  url(path: string): string {
    return `http://${this.host}/${path}`;
  }

  /** The server's host and port. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  /** A range of a file, as servers give it. */
  #ranged(file: Uint8Array<ArrayBuffer>, range: string | null): Response {
    if (file.length === 0) return new Response("none", { status: 404 });
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    if (match === null) {
      this.bytes += file.length;
      return new Response(file);
    }
    const [start, end] = [Number(match[1]), Math.min(Number(match[2]), file.length - 1)];
    if (start > end) return new Response(null, { status: 416 });
    this.bytes += end - start + 1;
    return new Response(file.slice(start, end + 1), {
      status: 206,
      headers: { "content-range": `bytes ${start}-${end}/${file.length}`, etag: '"1"' },
    });
  }

  /** Stops the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
