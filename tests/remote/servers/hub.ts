/**
 * A look-alike of the Hugging Face hub, as far as models are read from it: the list of a repository's files, page by
 * page, and `resolve` addresses, which for large files lead to another host.
 *
 * What it answers is what `huggingface_hub` expects; `tests/remote/hub_server_test.ts` lets that library download from it.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A repository. */
export interface HubRepository {
  /** The files, by path. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** The commit; 40 hexadecimal digits. */
  readonly commit: string;
  /** The names that lead to the commit beside its own; `main` by default. */
  readonly revisions?: readonly string[];
  /** Whether the files are only for those who were let in. */
  readonly gated?: boolean;
  /** Whether those who aren't let in are told that there is no such repository. */
  readonly private?: boolean;
}

/** A request, as one of the hosts saw it. */
export interface HubRequest {
  readonly method: string;
  /** The path and the query. */
  readonly path: string;
  readonly headers: Headers;
}

/** Files from this size on, in bytes, lie on the other host, as those do which git-lfs takes. */
const LARGE_BYTES = 512;

/** A running hub. */
export class Hub implements AsyncDisposable {
  /** What the hub was asked. */
  readonly requests: HubRequest[] = [];
  /** What the other host, which has the large files, was asked. */
  readonly storageRequests: HubRequest[] = [];
  /** The repositories, by `organisation/name`. */
  readonly repositories: Map<string, HubRepository>;
  readonly #tokens: ReadonlySet<string>;
  readonly #pageEntries: number;
  readonly #hub: Deno.HttpServer<Deno.NetAddr>;
  readonly #storage: Deno.HttpServer<Deno.NetAddr>;
  #storageHost: string;

  /**
   * Starts a hub.
   *
   * @param tokens The tokens of those who were let in everywhere.
   * @param pageEntries The most entries of a page of a list of files; the real hub has 1000.
   */
  constructor(
    repositories: Readonly<Record<string, HubRepository>>,
    tokens: readonly string[] = [],
    pageEntries = 1000,
  ) {
    this.repositories = new Map(Object.entries(repositories));
    this.#tokens = new Set(tokens);
    this.#pageEntries = pageEntries;
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#hub = Deno.serve(options, (request) => this.#answer(request));
    this.#storage = Deno.serve(options, (request) => this.#store(request));
    this.#storageHost = `127.0.0.1:${this.#storage.addr.port}`;
  }

  /** Where it answers: the value for `HF_ENDPOINT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** The host and port that have the large files. */
  get storageHost(): string {
    return this.#storageHost;
  }

  /** Lets large files be fetched through another host, such as a proxy in front of the one that has them. */
  set storageHost(host: string) {
    this.#storageHost = host;
  }

  #answer(request: Request): Response {
    const { pathname, search, searchParams, origin } = new URL(request.url);
    this.requests.push({
      method: request.method,
      path: pathname + search,
      headers: new Headers(request.headers),
    });
    const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree)\/([^/]+)(?:\/(.*))?)?$/.exec(pathname);
    if (api !== null) {
      const [, name = "", what, revision = "main", path = ""] = api;
      const repository = this.#find(name, revision, request);
      if (repository instanceof Response) return repository;
      return what === "tree"
        ? this.#tree(repository, decodeURIComponent(path), searchParams, origin + pathname)
        : Response.json({
          id: name,
          modelId: name,
          sha: repository.commit,
          private: repository.private ?? false,
          gated: repository.gated ? "manual" : false,
          tags: [],
          siblings: [...repository.files.keys()].map((rfilename) => ({ rfilename })),
        });
    }
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    if (resolve === null) return refusal(404, undefined, "Not Found");
    const [, name = "", revision = "", path = ""] = resolve;
    const repository = this.#find(name, revision, request);
    if (repository instanceof Response) return repository;
    if (repository.gated && !this.#isLetIn(request)) {
      return this.#hasToken(request)
        ? refusal(
          403,
          "GatedRepo",
          `Access to model ${name} is restricted and you are not in the authorized list`,
        )
        : refusal(
          401,
          "GatedRepo",
          `Access to model ${name} is restricted. You must be authenticated to access it`,
        );
    }
    const file = repository.files.get(decodeURIComponent(path));
    const headers = new Headers({ "x-repo-commit": repository.commit });
    if (file === undefined) return refusal(404, "EntryNotFound", "Entry not found", headers);
    headers.set("accept-ranges", "bytes");
    if (file.length < LARGE_BYTES) {
      headers.set("etag", `"${gitHash(file)}"`);
      return ranged(request, file, headers);
    }
    const sha = sha256(file);
    headers.set("x-linked-size", String(file.length));
    headers.set("x-linked-etag", `"${sha}"`);
    headers.set("location", `http://${this.#storageHost}/${name}/${sha}?signature=secret`);
    return new Response(null, { status: 302, headers });
  }

  /** The host that has the large files, by their hashes. It knows nobody, and refuses requests that carry a token. */
  #store(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    this.storageRequests.push({
      method: request.method,
      path: pathname + search,
      headers: new Headers(request.headers),
    });
    if (request.headers.has("authorization")) return new Response("Only one way to sign in", { status: 400 });
    const [, organisation, name, hash] = pathname.split("/");
    const files = this.repositories.get(`${organisation}/${name}`)?.files.values() ?? [];
    const file = [...files].find((each) => sha256(each) === hash);
    if (file === undefined) return new Response("none", { status: 404 });
    return ranged(request, file, new Headers({ etag: `"${hash}"`, "accept-ranges": "bytes" }));
  }

  #find(name: string, revision: string, request: Request): HubRepository | Response {
    const repository = this.repositories.get(name);
    if (repository === undefined || repository.private && !this.#isLetIn(request)) {
      return this.#hasToken(request)
        ? refusal(404, "RepoNotFound", "Repository not found")
        : refusal(401, "RepoNotFound", "Invalid username or password.");
    }
    const { commit, revisions = ["main"] } = repository;
    if ([commit, ...revisions].includes(decodeURIComponent(revision))) return repository;
    return refusal(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
  }

  #hasToken(request: Request): boolean {
    return request.headers.has("authorization");
  }

  #isLetIn(request: Request): boolean {
    const token = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    return token !== undefined && this.#tokens.has(token);
  }

  #tree(repository: HubRepository, path: string, query: URLSearchParams, address: string): Response {
    const prefix = path === "" ? "" : `${path}/`;
    const isRecursive = query.get("recursive") === "true" || query.get("recursive") === "True";
    const entries = new Map<string, unknown>();
    const addDirectory = (path: string) =>
      entries.set(path, { type: "directory", oid: "0".repeat(40), size: 0, path });
    for (const [name, file] of repository.files) {
      if (!name.startsWith(prefix)) continue;
      const parents = name.slice(prefix.length).split("/").slice(0, -1);
      const deep = isRecursive ? parents.length : Math.min(1, parents.length);
      for (let i = 1; i <= deep; i++) addDirectory(prefix + parents.slice(0, i).join("/"));
      if (isRecursive || parents.length === 0) entries.set(name, describe(name, file));
    }
    if (path !== "" && entries.size === 0) return refusal(404, "EntryNotFound", `${path} does not exist`);
    const names = [...entries.keys()].sort();
    const start = Number(query.get("cursor") ?? 0);
    const end = start + Math.min(this.#pageEntries, Number(query.get("limit") ?? this.#pageEntries));
    const headers = new Headers({ "content-type": "application/json" });
    if (end < names.length) {
      const next = new URLSearchParams(query);
      next.set("cursor", String(end));
      headers.set("link", `<${address}?${next}>; rel="next"`);
    }
    return new Response(JSON.stringify(names.slice(start, end).map((name) => entries.get(name))), {
      headers,
    });
  }

  /** Stops the hub. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#hub.shutdown(), this.#storage.shutdown()]);
  }
}

function describe(path: string, file: Uint8Array): unknown {
  const isLarge = file.length >= LARGE_BYTES;
  const lfs = { lfs: { oid: sha256(file), size: file.length, pointerSize: 134 } };
  return { type: "file", oid: gitHash(file), size: file.length, path, ...(isLarge ? lfs : {}) };
}

/** An answer with what was asked for of a file (RFC 9110 section 14). */
function ranged(request: Request, file: Uint8Array<ArrayBuffer>, headers: Headers): Response {
  const isHead = request.method === "HEAD";
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  if (range === null) {
    headers.set("content-length", String(file.length));
    return new Response(isHead ? null : file, { headers });
  }
  const start = Number(range[1]);
  const end = range[2] === "" ? file.length : Math.min(file.length, Number(range[2]) + 1);
  if (start >= end) return new Response(null, { status: 416 });
  headers.set("content-range", `bytes ${start}-${end - 1}/${file.length}`);
  headers.set("content-length", String(end - start));
  return new Response(isHead ? null : file.subarray(start, end), { status: 206, headers });
}

function refusal(
  status: number,
  code: string | undefined,
  message: string,
  headers = new Headers(),
): Response {
  if (code !== undefined) headers.set("x-error-code", code);
  headers.set("x-error-message", message);
  return new Response(JSON.stringify({ error: message }), { status, headers });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The name that git gives the bytes of a file. */
function gitHash(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
