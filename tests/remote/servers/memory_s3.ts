/**
 * An S3 server in memory that does what a client of objects needs, and nothing else: listing, ranges, putting, and
 * uploads in parts. What it is sent it checks more strictly than moto does: checksums, sizes of parts, their ETags.
 *
 * Run as a program it serves on a port that it prints, for benchmarks, and checks nothing:
 * `memory_s3.ts [delay of each request in ms]`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

/** S3's smallest part, but for the last one. */
const MIN_PART_BYTES = 5 * 1024 * 1024;
/** The most entries of a listing, as S3 has it. */
const MAX_KEYS = 1000;

interface Blob {
  readonly pieces: readonly Uint8Array<ArrayBuffer>[];
  readonly size: number;
  readonly etag: string;
  /** The CRC-32 in Base64, with the number of parts behind where it is one of the parts' own. */
  readonly crc: string | undefined;
  readonly metadata: readonly (readonly [string, string])[];
  readonly modified: Date;
}

interface Upload {
  readonly key: string;
  readonly initiated: Date;
  readonly metadata: readonly (readonly [string, string])[];
  readonly hasCrc: boolean;
  readonly isFullObject: boolean;
  readonly parts: Map<number, Blob>;
}

class Failure extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

/** A running server. */
export class MemoryS3 implements AsyncDisposable {
  /** What each bucket has, by key. */
  readonly buckets = new Map<string, Map<string, Blob>>();
  /** Uploads under way, by bucket and id. */
  readonly uploads = new Map<string, Map<string, Upload>>();
  /** The method, path and query of every request so far. */
  readonly requests: string[] = [];
  /** Actions that are denied, such as `s3:PutObject`. */
  readonly denied = new Set<string>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #delayMs: number;
  readonly #checks: boolean;
  #ids = 0;

  /**
   * Starts a server.
   *
   * @param delayMs How long each request takes beside its work, in milliseconds.
   * @param checks Whether checksums are made and compared.
   */
  constructor(delayMs = 0, checks = true) {
    this.#delayMs = delayMs;
    this.#checks = checks;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#serve(request),
    );
  }

  /** Where it answers. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Makes a bucket. */
  makeBucket(bucket: string): void {
    this.buckets.set(bucket, new Map());
    this.uploads.set(bucket, new Map());
  }

  /** The bytes of an object; `undefined` if there is none. */
  get(bucket: string, key: string): Uint8Array<ArrayBuffer> | undefined {
    const blob = this.buckets.get(bucket)?.get(key);
    return blob && slice(blob, 0, blob.size);
  }

  /** The keys of uploads that were begun, and neither completed nor aborted. */
  openUploads(bucket: string): string[] {
    return [...this.uploads.get(bucket)?.values() ?? []].map(({ key }) => key);
  }

  async #serve(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (this.#delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#delayMs));
    try {
      return await this.#answer(request, url);
    } catch (error) {
      if (!request.bodyUsed) await request.body?.cancel();
      if (!(error instanceof Failure)) throw error;
      const body = request.method === "HEAD"
        ? null
        : xml("Error", `<Code>${error.code}</Code><Message>no</Message>`);
      return new Response(body, { status: error.status, headers: { "content-type": "application/xml" } });
    }
  }

  async #answer(request: Request, { pathname, searchParams: query }: URL): Promise<Response> {
    const [, bucket = "", ...rest] = pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const { method, headers } = request;
    if (key === "" && method === "PUT") {
      this.makeBucket(bucket);
      return new Response(null, { status: 200 });
    }
    const objects = this.buckets.get(bucket);
    const uploads = this.uploads.get(bucket);
    if (objects === undefined || uploads === undefined) throw new Failure(404, "NoSuchBucket");
    const uploadId = query.get("uploadId");
    if (key === "") {
      if (query.has("uploads")) {
        this.#allow("s3:ListBucketMultipartUploads");
        return respond(listUploads(uploads, query));
      }
      this.#allow("s3:ListBucket");
      return respond(listObjects(bucket, objects, query));
    }
    switch (method) {
      case "GET":
      case "HEAD": {
        if (uploadId !== null) {
          this.#allow("s3:ListMultipartUploadParts");
          return respond(listParts(uploadOf(uploads, uploadId, key), query));
        }
        this.#allow("s3:GetObject");
        return getObject(objects.get(key), headers, method === "HEAD");
      }
      case "PUT": {
        this.#allow("s3:PutObject");
        const blob = this.#checks ? await receive(request) : await take(request, ++this.#ids);
        if (uploadId === null) objects.set(key, blob);
        else uploadOf(uploads, uploadId, key).parts.set(Number(query.get("partNumber")), blob);
        return new Response(null, { headers: checksumHeaders(blob) });
      }
      case "POST": {
        this.#allow("s3:PutObject");
        if (query.has("uploads")) {
          const id = `upload-${++this.#ids}`;
          uploads.set(id, {
            key,
            initiated: new Date(),
            metadata: metadataOf(headers),
            hasCrc: headers.get("x-amz-checksum-algorithm") === "CRC32",
            isFullObject: headers.get("x-amz-checksum-type") === "FULL_OBJECT",
            parts: new Map(),
          });
          return respond(
            xml(
              "InitiateMultipartUploadResult",
              `<Bucket>${bucket}</Bucket>${tag("Key", key)}${tag("UploadId", id)}`,
            ),
          );
        }
        const upload = uploadOf(uploads, uploadId ?? "", key);
        const blob = complete(upload, await request.text(), headers, this.#checks);
        objects.set(key, blob);
        uploads.delete(uploadId!);
        return respond(xml(
          "CompleteMultipartUploadResult",
          tag("Key", key) + tag("ETag", blob.etag) +
            (blob.crc === undefined ? "" : tag("ChecksumCRC32", blob.crc)),
        ));
      }
      case "DELETE": {
        if (uploadId === null) {
          this.#allow("s3:DeleteObject");
          objects.delete(key);
        } else {
          this.#allow("s3:AbortMultipartUpload");
          uploadOf(uploads, uploadId, key);
          uploads.delete(uploadId);
        }
        return new Response(null, { status: 204 });
      }
    }
    throw new Failure(405, "MethodNotAllowed");
  }

  #allow(action: string): void {
    if (this.denied.has(action)) throw new Failure(403, "AccessDenied");
  }

  /** Stops the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** What a client sent, checked as far as it told its checksums. */
async function receive(request: Request): Promise<Blob> {
  const bytes = await request.bytes();
  const { headers } = request;
  const md5 = createHash("md5").update(bytes).digest();
  const asked = headers.get("content-md5");
  if (asked !== null && asked !== md5.toString("base64")) throw new Failure(400, "BadDigest");
  const crc = headers.get("x-amz-checksum-crc32");
  if (crc !== null && crc !== base64Crc(crc32(bytes))) throw new Failure(400, "BadDigest");
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== bytes.length) throw new Failure(400, "IncompleteBody");
  return {
    pieces: [bytes],
    size: bytes.length,
    etag: `"${md5.toString("hex")}"`,
    crc: crc ?? undefined,
    metadata: metadataOf(headers),
    modified: new Date(),
  };
}

/** What a client sent, as it is. */
async function take(request: Request, id: number): Promise<Blob> {
  const bytes = await request.bytes();
  const { headers } = request;
  return {
    pieces: [bytes],
    size: bytes.length,
    etag: `"${id}"`,
    crc: headers.get("x-amz-checksum-crc32") ?? undefined,
    metadata: metadataOf(headers),
    modified: new Date(),
  };
}

function complete(upload: Upload, text: string, headers: Headers, checks: boolean): Blob {
  const named = [...text.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, inner = ""]) => ({
    number: Number(read(inner, "PartNumber")),
    etag: read(inner, "ETag")?.replaceAll("&quot;", '"'),
    crc: read(inner, "ChecksumCRC32"),
  }));
  const parts = named.map(({ number, etag, crc }, i) => {
    const part = upload.parts.get(number);
    if (part === undefined || part.etag.replaceAll('"', "") !== etag?.replaceAll('"', "")) {
      throw new Failure(400, "InvalidPart");
    }
    if (upload.hasCrc && crc !== part.crc) throw new Failure(400, "InvalidPart");
    if (i > 0 && number <= named[i - 1]!.number) throw new Failure(400, "InvalidPartOrder");
    if (i < named.length - 1 && part.size < MIN_PART_BYTES) throw new Failure(400, "EntityTooSmall");
    return part;
  });
  if (parts.length === 0) throw new Failure(400, "MalformedXML");
  const whole = !checks ? "" : base64Crc(parts.reduce((crc, { pieces: [bytes] }) => crc32(bytes!, crc), 0));
  const ofParts = Buffer.concat(parts.map(({ crc }) => Buffer.from(crc ?? "", "base64")));
  const crc = upload.isFullObject ? whole : `${base64Crc(crc32(ofParts))}-${parts.length}`;
  const told = headers.get("x-amz-checksum-crc32");
  if (told !== null && told !== crc) throw new Failure(400, "BadDigest");
  const md5s = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag.replaceAll('"', ""), "hex")));
  return {
    pieces: parts.flatMap(({ pieces }) => pieces),
    size: parts.reduce((sum, { size }) => sum + size, 0),
    etag: `"${createHash("md5").update(md5s).digest("hex")}-${parts.length}"`,
    crc: upload.hasCrc ? crc : undefined,
    metadata: upload.metadata,
    modified: new Date(),
  };
}

function getObject(blob: Blob | undefined, headers: Headers, isHead: boolean): Response {
  if (blob === undefined) throw new Failure(404, "NoSuchKey");
  const match = headers.get("if-match");
  if (match !== null && match !== blob.etag) throw new Failure(412, "PreconditionFailed");
  const answered = new Headers({
    etag: blob.etag,
    "last-modified": blob.modified.toUTCString(),
    "accept-ranges": "bytes",
  });
  for (const [name, value] of blob.metadata) answered.set(name, value);
  const range = /^bytes=(\d*)-(\d*)$/.exec(headers.get("range") ?? "");
  if (range === null) {
    if (headers.get("x-amz-checksum-mode") === "ENABLED") {
      for (const [name, value] of checksumHeaders(blob)) answered.set(name, value);
    }
    answered.set("content-length", String(blob.size));
    return new Response(isHead ? null : slice(blob, 0, blob.size), { headers: answered });
  }
  const start = range[1] === "" ? Math.max(0, blob.size - Number(range[2])) : Number(range[1]);
  const end = range[1] === "" || range[2] === "" ? blob.size : Math.min(blob.size, Number(range[2]) + 1);
  if (start >= end) throw new Failure(416, "InvalidRange");
  answered.set("content-range", `bytes ${start}-${end - 1}/${blob.size}`);
  answered.set("content-length", String(end - start));
  return new Response(isHead ? null : slice(blob, start, end), { status: 206, headers: answered });
}

/** Some bytes of an object: a part of one piece where they lie in it, so that nothing is copied. */
function slice({ pieces }: Blob, start: number, end: number): Uint8Array<ArrayBuffer> {
  const found: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const piece of pieces) {
    if (at < end && at + piece.length > start) {
      found.push(piece.subarray(Math.max(0, start - at), Math.min(piece.length, end - at)));
    }
    at += piece.length;
  }
  if (found.length === 1) return found[0]!;
  const joined = new Uint8Array(end - start);
  let filled = 0;
  for (const part of found) {
    joined.set(part, filled);
    filled += part.length;
  }
  return joined;
}

function listObjects(bucket: string, objects: ReadonlyMap<string, Blob>, query: URLSearchParams): string {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
  const most = Math.min(MAX_KEYS, Number(query.get("max-keys") ?? MAX_KEYS));
  const entries: string[] = [];
  const seen = new Set<string>();
  let last = "";
  let isTruncated = false;
  for (const key of [...objects.keys()].sort()) {
    if (!key.startsWith(prefix) || key <= after) continue;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    if (folder !== undefined && (seen.has(folder) || after.startsWith(folder))) continue;
    if (entries.length === most) {
      isTruncated = true;
      break;
    }
    if (folder !== undefined) {
      seen.add(folder);
      entries.push(`<CommonPrefixes>${tag("Prefix", folder)}</CommonPrefixes>`);
    } else {
      const { size, etag, modified } = objects.get(key)!;
      entries.push(
        `<Contents>${tag("Key", key)}${tag("Size", size)}${tag("ETag", etag)}` +
          `${tag("LastModified", modified.toISOString())}<StorageClass>STANDARD</StorageClass></Contents>`,
      );
    }
    last = folder ?? key;
  }
  return xml(
    "ListBucketResult",
    tag("Name", bucket) + tag("Prefix", prefix) + tag("KeyCount", entries.length) + tag("MaxKeys", most) +
      tag("IsTruncated", isTruncated) + (isTruncated ? tag("NextContinuationToken", last) : "") +
      entries.join(""),
  );
}

function listUploads(uploads: ReadonlyMap<string, Upload>, query: URLSearchParams): string {
  const prefix = query.get("prefix") ?? "";
  const found = [...uploads].filter(([, { key }]) => key.startsWith(prefix));
  return xml(
    "ListMultipartUploadsResult",
    tag("IsTruncated", false) +
      found.map(([id, { key, initiated }]) =>
        `<Upload>${tag("Key", key)}${tag("UploadId", id)}${
          tag("Initiated", initiated.toISOString())
        }</Upload>`
      ).join(""),
  );
}

function listParts({ key, parts }: Upload, query: URLSearchParams): string {
  const after = Number(query.get("part-number-marker") ?? 0);
  const numbers = [...parts.keys()].sort((a, b) => a - b).filter((number) => number > after);
  const shown = numbers.slice(0, MAX_KEYS);
  const isTruncated = shown.length < numbers.length;
  return xml(
    "ListPartsResult",
    tag("Key", key) + tag("IsTruncated", isTruncated) +
      (isTruncated ? tag("NextPartNumberMarker", shown.at(-1)!) : "") +
      shown.map((number) => {
        const { size, etag, crc } = parts.get(number)!;
        const checksum = crc === undefined ? "" : tag("ChecksumCRC32", crc);
        return `<Part>${tag("PartNumber", number)}${tag("Size", size)}${tag("ETag", etag)}${checksum}</Part>`;
      }).join(""),
  );
}

function uploadOf(uploads: ReadonlyMap<string, Upload>, id: string, key: string): Upload {
  const upload = uploads.get(id);
  if (upload?.key !== key) throw new Failure(404, "NoSuchUpload");
  return upload;
}

function checksumHeaders({ etag, crc }: Blob): Headers {
  return new Headers([
    ["etag", etag],
    ...(crc === undefined ? [] : [["x-amz-checksum-crc32", crc] as [string, string]]),
  ]);
}

function metadataOf(headers: Headers): (readonly [string, string])[] {
  return [...headers].filter(([name]) => name.startsWith("x-amz-meta-") || name === "content-type");
}

function base64Crc(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString("base64");
}

function respond(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/xml" } });
}

function xml(name: string, inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${inner}</${name}>`;
}

function tag(name: string, value: string | number | boolean): string {
  const escaped = String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  return `<${name}>${escaped}</${name}>`;
}

function read(text: string, name: string): string | undefined {
  return new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(text)?.[1];
}

if (import.meta.main) {
  const server = new MemoryS3(Number(Deno.args[0] ?? 0), false);
  console.log(server.endpoint);
}
