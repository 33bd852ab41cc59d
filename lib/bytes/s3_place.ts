/** Objects in S3 and stores that speak it: `s3://bucket/prefix`. */

import { loadS3, type S3Client } from "../deps.ts";
import { CancelledError, FileError } from "../error.ts";
import { requestEnvironment } from "./environment.ts";
import type { HttpOptions } from "./http_source.ts";
import { type RemoteFile, traffic } from "./remote.ts";
import { PassingFailure, retrying } from "./retry.ts";
import { describeS3Failure, isPassing, openS3, parseS3, S3_LEAVE, s3Endpoint } from "./s3_client.ts";

/** The most objects below a prefix, as in a directory on this machine. */
const MAX_OBJECTS = 100_000;

/** Clients by store, kept as long as the process lasts: connections are used again, and end by themselves. */
const clients = new Map<string | undefined, Promise<S3Client>>();

function clientOf(endpoint = s3Endpoint()): Promise<S3Client> {
  const client = clients.get(endpoint) ?? openS3();
  clients.set(endpoint, client);
  return client;
}

/** Does something with a client until it works. */
async function withS3<T>(
  path: string,
  action: string,
  signal: AbortSignal | undefined,
  work: (client: S3Client, sdk: Awaited<ReturnType<typeof loadS3>>) => Promise<T>,
): Promise<T> {
  const [client, sdk] = [await clientOf(), await loadS3()];
  return await retrying(async () => {
    traffic.requests++;
    try {
      return await work(client, sdk);
    } catch (error) {
      if (signal?.aborted) throw new CancelledError("Cancelled");
      if (error instanceof PassingFailure) throw error;
      const failure = describeS3Failure(path, action, error);
      throw isPassing(error) ? new PassingFailure(failure) : failure;
    }
  }, signal);
}

/** An object. Its ETag goes along with each request, so that another object in its place is never read. */
class S3Object implements RemoteFile {
  constructor(
    readonly path: string,
    readonly size: number,
    readonly version: string,
    readonly signal?: AbortSignal,
  ) {}

  async read(offset: number, length: number, signal = this.signal): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return new Uint8Array();
    const { path } = this;
    const { bucket, key } = parseS3(path);
    return await withS3(path, "s3:GetObject", signal, async (client, { GetObjectCommand }) => {
      const last = offset + length - 1;
      const { Body, ContentRange, ContentLength, ETag } = await client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          Range: `bytes=${offset}-${last}`,
          IfMatch: this.version,
        }),
        { abortSignal: signal },
      );
      const stop = () => (Body as { destroy?(): void } | undefined)?.destroy?.();
      if (ETag !== undefined && ETag !== this.version) {
        stop();
        throw new FileError(
          `${path}: the object changed while it was read; wait until its writer is done, then run this again`,
        );
      }
      if (ContentRange === undefined && length !== this.size) {
        stop();
        throw new FileError(`${path}: the store gives objects only as a whole, no ranges of them`);
      }
      if (
        ContentRange !== undefined && ContentRange !== `bytes ${offset}-${last}/${this.size}` ||
        ContentLength !== undefined && ContentLength !== length
      ) {
        stop();
        throw new FileError(
          `${path}: the store gives another range than it was asked for, of another size than it said before`,
        );
      }
      // Straight to its place: the SDK's own way leaves three times as much garbage.
      const bytes = new Uint8Array(length);
      let filled = 0;
      for await (const piece of Body!.transformToWebStream()) {
        if (filled + piece.length <= length) bytes.set(piece, filled);
        filled += piece.length;
      }
      traffic.bytesRead += filled;
      if (filled === length) return bytes;
      throw new PassingFailure(new FileError(`${path}: the store hangs up in the middle; try again later`));
    });
  }
}

/** Lists the objects below a prefix, or the object that it is. */
export async function listS3(url: string, options: HttpOptions): Promise<RemoteFile[]> {
  const { bucket, key } = parseS3(url);
  await requestEnvironment(url, S3_LEAVE);
  await meetStore(options);
  const { signal } = options;
  const root = key === "" ? `s3://${bucket}` : `s3://${bucket}/${key}`;
  const prefix = key === "" ? "" : `${key}/`;
  const files: RemoteFile[] = [];
  let token: string | undefined;
  do {
    const page = await withS3(url, "s3:ListBucket", signal, (client, { ListObjectsV2Command }) =>
      client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
        { abortSignal: signal },
      ));
    for (const { Key = "", Size = 0, ETag = "" } of page.Contents ?? []) {
      const name = Key.slice(prefix.length);
      // What ends with a slash stands for a directory; no file can have such a name, nor those that have no parts.
      if (!Key.startsWith(prefix) || name.split("/").some((part) => /^\.{0,2}$/.test(part))) continue;
      files.push(new S3Object(`${root}/${name}`, Size, ETag, signal));
    }
    if (files.length > MAX_OBJECTS) {
      throw new FileError(`${url}: holds more than ${MAX_OBJECTS} objects; name the checkpoint's own prefix`);
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  if (files.length > 0 || key === "") return files;
  const object = await headS3(root, signal);
  return [object];
}

/** Finds an object; `undefined` where there is none, or none that may be seen. */
export async function findS3Object(url: string, { signal }: HttpOptions): Promise<RemoteFile | undefined> {
  const { key } = parseS3(url);
  if (key === "") return undefined;
  try {
    return await headS3(url, signal);
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}

async function headS3(url: string, signal: AbortSignal | undefined): Promise<RemoteFile> {
  const { bucket, key } = parseS3(url);
  const { ContentLength = 0, ETag = "" } = await withS3(
    url,
    "s3:GetObject",
    signal,
    (client, { HeadObjectCommand }) =>
      client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
  );
  return new S3Object(url, ContentLength, ETag, signal);
}

/** Lets the caller decide on the host, where one is named. */
async function meetStore({ onHost }: HttpOptions): Promise<void> {
  const endpoint = s3Endpoint();
  const url = endpoint === undefined ? undefined : URL.parse(endpoint);
  if (url !== null && url !== undefined) await onHost?.(url);
}
