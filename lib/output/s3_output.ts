/** An output in an object store that speaks S3: what is below a prefix, and the requests that change it. */

import { createHash } from "node:crypto";
import { loadS3, type S3Client } from "../deps.ts";
import { CancelledError, FileError } from "../error.ts";
import { PassingFailure, retrying } from "../bytes/retry.ts";
import { describeS3Failure, isPassing, openS3, parseS3 } from "../bytes/s3_client.ts";
import { crc32 } from "../copy/crc32.ts";

/** An object below the prefix. */
export interface StoredObject {
  /** Its key without the prefix. */
  readonly name: string;
  /** Its size in bytes. */
  readonly size: number;
}

/** An upload that was begun, and neither completed nor aborted. */
export interface OpenUpload {
  /** The key of its object, without the prefix. */
  readonly name: string;
  readonly id: string;
  /** When it was begun, in milliseconds since 1970. */
  readonly begun: number;
}

/** A part of an upload. */
export interface StoredPart {
  /** Its number, counted from 1. */
  readonly number: number;
  readonly etag: string;
  /** Its size in bytes. */
  readonly size: number;
  /** Its CRC-32 in Base64, where the store tells it. */
  readonly crc: string | undefined;
}

/** What went to a store. */
export interface Sent {
  readonly requests: number;
  /** Bytes of parts and objects, those that were sent again, too. */
  readonly bytes: number;
}

/** The name of the metadata by which an object says which plan it was made of. */
const MARK = "ckpt-plan";

type Sdk = Awaited<ReturnType<typeof loadS3>>;

/** A prefix in a bucket. Every failure is one of {@linkcode FileError}, or a cancellation. */
export class S3Output implements Disposable {
  /** The URL, without a slash at its end. */
  readonly url: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  #requests = 0;
  #bytes = 0;

  private constructor(url: string, sdk: Sdk, client: S3Client) {
    const { bucket, key } = parseS3(url);
    this.url = `s3://${bucket}${key === "" ? "" : `/${key}`}`;
    this.#bucket = bucket;
    this.#prefix = key === "" ? "" : `${key}/`;
    this.#sdk = sdk;
    this.#client = client;
  }

  /** Makes a client for what is below a URL. Asks for nothing yet. */
  static async open(url: string): Promise<S3Output> {
    parseS3(url);
    return new S3Output(url, await loadS3(), await openS3());
  }

  /** What went to the store so far. */
  get sent(): Sent {
    return { requests: this.#requests, bytes: this.#bytes };
  }

  /** The URL of an object. */
  urlOf(name: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${name}`;
  }

  /** Does one request, again where that may help, and says what is wrong with it. */
  async #ask<T>(
    action: string,
    name: string | undefined,
    send: (options: { abortSignal?: AbortSignal }) => Promise<T>,
    signal?: AbortSignal,
    bytes = 0,
  ): Promise<T> {
    return await retrying(async () => {
      this.#requests++;
      this.#bytes += bytes;
      try {
        return await send(signal === undefined ? {} : { abortSignal: signal });
      } catch (error) {
        if (signal?.aborted) throw new CancelledError("Cancelled");
        const failure = (error as Error).name === "NoSuchUpload"
          ? new UploadGone(this.urlOf(name!))
          : describeS3Failure(name === undefined ? this.url : this.urlOf(name), action, error);
        throw isPassing(error) ? new PassingFailure(failure) : failure;
      }
    }, signal);
  }

  #at(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + name };
  }

  /** The objects below the prefix. */
  async list(signal?: AbortSignal): Promise<StoredObject[]> {
    const objects: StoredObject[] = [];
    let token: string | undefined;
    do {
      const page = await this.#ask("s3:ListBucket", undefined, (options) =>
        this.#client.send(
          new this.#sdk.ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          options,
        ), signal);
      for (const { Key = "", Size = 0 } of page.Contents ?? []) {
        // Consoles make an empty object for a directory.
        if (Key !== this.#prefix) objects.push({ name: Key.slice(this.#prefix.length), size: Size });
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return objects;
  }

  /** Which plan an object says that it was made of; `undefined` if it says none, or isn't there. */
  async markOf(name: string, signal?: AbortSignal): Promise<string | undefined> {
    const { Metadata = {} } = await this.#ask(
      "s3:GetObject",
      name,
      (options) => this.#client.send(new this.#sdk.HeadObjectCommand(this.#at(name)), options),
      signal,
    );
    return Metadata[MARK];
  }

  /** Puts an object as a whole. */
  async put(name: string, bytes: Uint8Array, crc: number, mark: string, signal?: AbortSignal): Promise<void> {
    await this.#ask(
      "s3:PutObject",
      name,
      (options) =>
        this.#client.send(
          new this.#sdk.PutObjectCommand({
            ...this.#at(name),
            Body: bytes,
            ChecksumCRC32: base64Crc(crc),
            Metadata: { [MARK]: mark },
          }),
          options,
        ),
      signal,
      bytes.length,
    );
  }

  /** The uploads below the prefix that were begun, and neither completed nor aborted. */
  async openUploads(signal?: AbortSignal): Promise<OpenUpload[]> {
    const uploads: OpenUpload[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    do {
      const from: { KeyMarker?: string; UploadIdMarker?: string } = marker;
      const page = await this.#ask("s3:ListBucketMultipartUploads", undefined, (options) =>
        this.#client.send(
          new this.#sdk.ListMultipartUploadsCommand({
            Bucket: this.#bucket,
            Prefix: this.#prefix,
            ...from,
          }),
          options,
        ), signal);
      for (const { Key = "", UploadId = "", Initiated } of page.Uploads ?? []) {
        if (!Key.startsWith(this.#prefix)) continue;
        uploads.push({
          name: Key.slice(this.#prefix.length),
          id: UploadId,
          begun: Initiated?.getTime() ?? 0,
        });
      }
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      marker = IsTruncated && NextKeyMarker !== undefined
        ? {
          KeyMarker: NextKeyMarker,
          ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
        }
        : undefined;
    } while (marker !== undefined);
    return uploads;
  }

  /** Begins an upload whose parts and whole have CRC-32 checksums; returns its id. */
  async begin(name: string, mark: string, signal?: AbortSignal): Promise<string> {
    const { UploadId } = await this.#ask("s3:PutObject", name, (options) =>
      this.#client.send(
        new this.#sdk.CreateMultipartUploadCommand({
          ...this.#at(name),
          ChecksumAlgorithm: "CRC32",
          Metadata: { [MARK]: mark },
        }),
        options,
      ), signal);
    if (UploadId === undefined) throw new FileError(`${this.urlOf(name)}: the store begins no upload`);
    return UploadId;
  }

  /** The parts of an upload that are there, by number. */
  async parts(name: string, id: string, signal?: AbortSignal): Promise<Map<number, StoredPart>> {
    const parts = new Map<number, StoredPart>();
    let marker: string | undefined;
    do {
      const page = await this.#ask("s3:ListMultipartUploadParts", name, (options) =>
        this.#client.send(
          new this.#sdk.ListPartsCommand({
            ...this.#at(name),
            UploadId: id,
            ...(marker === undefined ? {} : { PartNumberMarker: marker }),
          }),
          options,
        ), signal);
      for (const { PartNumber = 0, ETag = "", Size = 0, ChecksumCRC32 } of page.Parts ?? []) {
        parts.set(PartNumber, { number: PartNumber, etag: ETag, size: Size, crc: ChecksumCRC32 });
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  }

  /** Puts a part, which the store checks. */
  async putPart(
    name: string,
    id: string,
    number: number,
    bytes: Uint8Array,
    crc: number,
    signal?: AbortSignal,
  ): Promise<StoredPart> {
    const { ETag = "" } = await this.#ask(
      "s3:PutObject",
      name,
      (options) =>
        this.#client.send(
          new this.#sdk.UploadPartCommand({
            ...this.#at(name),
            UploadId: id,
            PartNumber: number,
            Body: bytes,
            ChecksumCRC32: base64Crc(crc),
          }),
          options,
        ),
      signal,
      bytes.length,
    );
    return { number, etag: ETag, size: bytes.length, crc: base64Crc(crc) };
  }

  /** Makes an object of the parts of an upload. */
  async complete(
    name: string,
    id: string,
    parts: readonly StoredPart[],
    mark: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const Parts = parts.map(({ number, etag, crc }) => ({
      PartNumber: number,
      ETag: etag,
      ...(crc === undefined ? {} : { ChecksumCRC32: crc }),
    }));
    try {
      await this.#ask("s3:PutObject", name, (options) =>
        this.#client.send(
          new this.#sdk.CompleteMultipartUploadCommand({
            ...this.#at(name),
            UploadId: id,
            MultipartUpload: { Parts },
          }),
          options,
        ), signal);
    } catch (error) {
      // It may have been done, and only its answer lost.
      if (error instanceof UploadGone && await this.markOf(name, signal).catch(() => undefined) === mark) {
        return;
      }
      throw error;
    }
  }

  /** Removes an upload with its parts, if it is there. */
  async abort(name: string, id: string): Promise<void> {
    try {
      await this.#ask(
        "s3:AbortMultipartUpload",
        name,
        (options) =>
          this.#client.send(
            new this.#sdk.AbortMultipartUploadCommand({ ...this.#at(name), UploadId: id }),
            options,
          ),
      );
    } catch (error) {
      if (!(error instanceof UploadGone)) throw error;
    }
  }

  /** Reads an object; returns its CRC-32. */
  async readCrc(name: string, signal?: AbortSignal): Promise<number> {
    return await this.#ask("s3:GetObject", name, async (options) => {
      const { Body } = await this.#client.send(new this.#sdk.GetObjectCommand(this.#at(name)), options);
      let crc = 0;
      if (Body !== undefined) {
        for await (const bytes of Body.transformToWebStream()) crc = crc32(bytes, crc);
      }
      return crc;
    }, signal);
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#client.destroy();
  }
}

/** An upload isn't there any more: another run completed or aborted it. */
class UploadGone extends FileError {
  constructor(url: string) {
    super(`${url}: somebody else completed or aborted the upload; run this again`);
  }
}

/** A CRC-32 as S3 writes it: four bytes, the highest first, in Base64. */
export function base64Crc(crc: number): string {
  return btoa(String.fromCharCode(crc >>> 24, crc >>> 16 & 255, crc >>> 8 & 255, crc & 255));
}

/** Whether a part holds bytes: by its CRC-32, or by its MD5 where the store tells no other checksum. */
export function isPartOf(part: StoredPart, bytes: Uint8Array, crc: number): boolean {
  if (part.size !== bytes.length) return false;
  if (part.crc !== undefined) return part.crc === base64Crc(crc);
  return part.etag.replaceAll('"', "") === createHash("md5").update(bytes).digest("hex");
}
