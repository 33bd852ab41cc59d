/**
 * moto's S3 server, and boto3 as another client of it: what puts objects there, and looks at what ckpt made.
 *
 * @module
 */

import { join } from "../../../lib/deps.ts";

/**
 * A Python with `moto[server]` and boto3: the value of the environment variable `CKPT_REMOTE_PYTHON`, or `undefined` where
 * it isn't set. Tests pass `ignore: remotePython() === undefined`.
 */
export function remotePython(): string | undefined {
  return Deno.env.get("CKPT_REMOTE_PYTHON") || undefined;
}

/** What a client needs to know of a store, as environment variables. */
export function storeEnv(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_REGION: "us-east-1",
  };
}

/** An object of a bucket, as boto3 lists it. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
}

/** A running moto. */
export class Moto implements AsyncDisposable {
  /** Where it answers. */
  readonly endpoint: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  private constructor(
    endpoint: string,
    child: Deno.ChildProcess,
    lines: ReadableStreamDefaultReader<string>,
    rest: string,
  ) {
    this.endpoint = endpoint;
    this.#child = child;
    this.#lines = lines;
    this.#rest = rest;
    this.#writer = child.stdin.getWriter();
  }

  /** Starts a server without any bucket. */
  static async start(): Promise<Moto> {
    const child = new Deno.Command(remotePython()!, {
      args: [join(import.meta.dirname!, "_moto.py")],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { line, rest } = await readLine(lines, "");
    const { port } = JSON.parse(line) as { port: number };
    return new Moto(`http://127.0.0.1:${port}`, child, lines, rest);
  }

  /** The variables by which ckpt, and any other client, finds it. */
  get env(): Record<string, string> {
    return storeEnv(this.endpoint);
  }

  /**
   * Runs a Python program with `s3`, boto3's client, and the arguments as variables.
   *
   * @returns What it left in `result`.
   */
  async python(program: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify({ program, args }) + "\n"));
    const { line, rest } = await readLine(this.#lines, this.#rest);
    this.#rest = rest;
    const { result, error } = JSON.parse(line) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(`boto3 failed: ${error}`);
    return result;
  }

  /** Makes a bucket. */
  async makeBucket(bucket: string): Promise<void> {
    await this.python(`s3.create_bucket(Bucket=bucket)`, { bucket });
  }

  /** Puts all files of a local directory into a bucket. */
  async upload(directory: string, bucket: string, prefix: string): Promise<void> {
    await this.python(
      `
import os
for root, _, names in os.walk(directory):
    for name in names:
        path = os.path.join(root, name)
        s3.upload_file(path, bucket, prefix + "/" + os.path.relpath(path, directory).replace(os.sep, "/"))`,
      { directory, bucket, prefix },
    );
  }

  /** Gets all objects below a prefix into a local directory. */
  async download(bucket: string, prefix: string, directory: string): Promise<void> {
    await this.python(
      `
import os
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/"):
    for entry in page.get("Contents", []):
        path = os.path.join(directory, entry["Key"][len(prefix) + 1:])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(bucket, entry["Key"], path)`,
      { directory, bucket, prefix },
    );
  }

  /** The objects of a bucket, by key. */
  async list(bucket: string, prefix = ""): Promise<ListedObject[]> {
    return await this.python(
      `
result = [
    {"key": entry["Key"], "size": entry["Size"]}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for entry in page.get("Contents", [])
]`,
      { bucket, prefix },
    ) as ListedObject[];
  }

  /** The keys of uploads that were begun, and neither completed nor aborted. */
  async openUploads(bucket: string): Promise<string[]> {
    return await this.python(
      `result = [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]`,
      { bucket },
    ) as string[];
  }

  /** Stops the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#lines.cancel();
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

async function readLine(
  lines: ReadableStreamDefaultReader<string>,
  rest: string,
): Promise<{ line: string; rest: string }> {
  while (!rest.includes("\n")) {
    const { done, value } = await lines.read();
    if (done) throw new Error("moto ended: is it installed in CKPT_REMOTE_PYTHON?");
    rest += value;
  }
  const end = rest.indexOf("\n");
  return { line: rest.slice(0, end), rest: rest.slice(end + 1) };
}
