/**
 * A proxy in front of a server, which fails in the ways that networks and servers do, and notes what it is asked.
 *
 * @module
 */

/** A request, as the proxy saw it. */
export interface ProxiedRequest {
  readonly method: string;
  /** The path and the query. */
  readonly path: string;
  readonly headers: Headers;
  /** How many bytes came with it. */
  readonly bytes: number;
}

/** What is to go wrong. */
export type Fault =
  /** The server answers with a status of its own. */
  | {
    readonly kind: "status";
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  }
  /** The connection is closed before there is an answer. */
  | { readonly kind: "drop" }
  /** The connection is closed after so many bytes of the body. */
  | { readonly kind: "short"; readonly bytes: number }
  /** The body comes in pieces of so many bytes, with a pause after each. */
  | { readonly kind: "slow"; readonly pieceBytes: number; readonly pauseMs: number }
  /** The answer has another ETag. */
  | { readonly kind: "etag"; readonly etag: string }
  /** The range that was asked for is ignored: all of the body comes, with status 200. */
  | { readonly kind: "whole" }
  /** There is never an answer. */
  | { readonly kind: "silence" };

/** Decides what goes wrong with a request; `undefined` for nothing. `count` tells how many came before it. */
export type Faults = (request: ProxiedRequest, count: number) => Fault | undefined;

/** The body of an error as S3 sends it. */
export function s3Error(code: string, message = "made by the proxy"): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
}

/** A fault that is an error of S3's. */
export function s3Fault(status: number, code: string): Fault {
  return { kind: "status", status, headers: { "content-type": "application/xml" }, body: s3Error(code) };
}

/** Faults for the first `times` requests that a test picks, and none afterwards. */
export function firstTimes(times: number, fault: Fault, picks: (request: ProxiedRequest) => boolean): Faults {
  let left = times;
  return (request) => picks(request) && left-- > 0 ? fault : undefined;
}

/** A running proxy. */
export class FaultProxy implements AsyncDisposable {
  /** The requests so far. */
  readonly requests: ProxiedRequest[] = [];
  /** The most requests that were under way at once. */
  mostAtOnce = 0;
  #atOnce = 0;
  readonly #target: string;
  readonly #faults: Faults;
  readonly #delayMs: number;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #listener: Deno.TcpListener;
  /** The connections of clients, by the ports on which they go on to the server. */
  readonly #clients = new Map<number, Deno.TcpConn>();
  readonly #ended = Promise.withResolvers<void>();

  /**
   * Starts a proxy.
   *
   * @param target The server's address, without a path.
   * @param faults What goes wrong.
   * @param delayMs How long each request waits before it is passed on, in milliseconds.
   */
  constructor(target: string, faults: Faults = () => undefined, delayMs = 0) {
    this.#target = target;
    this.#faults = faults;
    this.#delayMs = delayMs;
    this.#server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        onListen: () => {},
        onError: () => new Response(null, { status: 502 }),
      },
      (request, { remoteAddr }) => this.#answer(request, (remoteAddr as Deno.NetAddr).port),
    );
    // A server can't close a connection without an answer, so that each goes through one that can.
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept();
  }

  /** How many requests are under way. */
  get underWay(): number {
    return this.#atOnce;
  }

  /** Where it answers. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const inner = await Deno.connect({ hostname: "127.0.0.1", port: this.#server.addr.port });
      const { port } = inner.localAddr as Deno.NetAddr;
      this.#clients.set(port, client);
      const close = () => {
        this.#clients.delete(port);
        for (const each of [client, inner]) {
          try {
            each.close();
          } catch {
            // Closed already.
          }
        }
      };
      client.readable.pipeTo(inner.writable).catch(() => {}).finally(close);
      inner.readable.pipeTo(client.writable).catch(() => {}).finally(close);
    }
  }

  #drop(port: number): void {
    try {
      this.#clients.get(port)?.close();
    } catch {
      // The client went away first.
    }
  }

  async #answer(request: Request, port: number): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const path = pathname + search;
    const body = await request.bytes();
    const seen: ProxiedRequest = {
      method: request.method,
      path,
      headers: new Headers(request.headers),
      bytes: body.length,
    };
    const fault = this.#faults(seen, this.requests.length);
    this.requests.push(seen);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    try {
      if (this.#delayMs > 0) await sleep(this.#delayMs);
      if (fault?.kind === "silence") {
        await this.#ended.promise;
        return new Response(null, { status: 502 });
      }
      if (fault?.kind === "drop") {
        this.#drop(port);
        return new Response(null, { status: 502 });
      }
      if (fault?.kind === "status") {
        return new Response(fault.body ?? null, {
          status: fault.status,
          ...(fault.headers === undefined ? {} : { headers: fault.headers }),
        });
      }
      return await this.#passOn(seen, body, fault, port);
    } finally {
      this.#atOnce--;
    }
  }

  async #passOn(
    { method, path, headers: asked }: ProxiedRequest,
    sent: Uint8Array<ArrayBuffer>,
    fault: Fault | undefined,
    port: number,
  ): Promise<Response> {
    const headers = new Headers(asked);
    for (const name of ["host", "connection", "content-length", "expect"]) headers.delete(name);
    if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
    if (fault?.kind === "whole") headers.delete("range");
    const answer = await fetch(this.#target + path, {
      method,
      headers,
      redirect: "manual",
      body: sent.length > 0 ? sent : null,
    });
    const answered = new Headers(answer.headers);
    if (fault?.kind === "etag") answered.set("etag", fault.etag);
    // What says nothing, such as 204 and 304, may have no body.
    if (method === "HEAD" || answer.body === null) {
      await answer.body?.cancel();
      return new Response(null, { status: answer.status, headers: answered });
    }
    const bytes = await answer.bytes();
    answered.set("content-length", String(bytes.length));
    const body = fault?.kind === "short"
      ? this.#cut(bytes.subarray(0, fault.bytes), port)
      : fault?.kind === "slow"
      ? trickle(bytes, fault.pieceBytes, fault.pauseMs)
      : bytes;
    return new Response(body, { status: answer.status, headers: answered });
  }

  /** A body that ends before it should, and the connection with it. */
  #cut(bytes: Uint8Array<ArrayBuffer>, port: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    let isSent = false;
    return new ReadableStream({
      pull: async (controller) => {
        if (!isSent && bytes.length > 0) {
          isSent = true;
          controller.enqueue(bytes);
          return;
        }
        await sleep(20); // So that what was sent gets through.
        this.#drop(port);
        controller.error(new Error("cut"));
      },
    });
  }

  /** Stops the proxy. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#ended.resolve();
    for (const client of this.#clients.values()) {
      try {
        client.close();
      } catch {
        // Closed already.
      }
    }
    await this.#server.shutdown();
  }
}

function trickle(
  bytes: Uint8Array<ArrayBuffer>,
  pieceBytes: number,
  pauseMs: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at > 0) await sleep(pauseMs);
      controller.enqueue(bytes.subarray(at, at + pieceBytes));
      at += pieceBytes;
      if (at >= bytes.length) controller.close();
    },
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
