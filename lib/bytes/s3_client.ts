/**
 * The client of S3, made from what the environment says: credentials by the AWS SDK's default chain (environment, profiles,
 * SSO, roles of containers and instances), AWS_REGION, and AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL for other stores that
 * speak S3. Those are asked by path (`endpoint/bucket/key`), since few of them have a name for each bucket.
 */

import { loadS3, type S3Client } from "../deps.ts";
import { CheckpointError, FileError } from "../error.ts";
import { messageOf } from "./file_system.ts";

/** How long a connection may take, and how long a server may be silent, in milliseconds. */
const CONNECT_MS = 10_000;
const SILENT_MS = 60_000;

/** The most connections at a time. */
const MAX_SOCKETS = 64;

/** What the AWS SDK reads of the environment to find credentials, and of the system to name itself. */
export const S3_LEAVE = {
  variables: ["AWS_*", "HOME", "USERPROFILE", "HOMEPATH", "HOMEDRIVE", "_X_AMZN_TRACE_ID"],
  system: "osRelease",
} as const;

/** A bucket, and a key or the start of keys in it, without a slash at its end. */
export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/**
 * The parts of `s3://bucket/key`.
 *
 * @throws {FileError} If there is no bucket in it.
 */
export function parseS3(url: string): S3Location {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]*)\/*(.*?)\/*$/s.exec(url) ?? [];
  if (bucket === "") throw new FileError(`${url}: names no bucket; write s3://bucket/prefix`);
  return { bucket, key };
}

/** The address of another store than AWS, if the environment names one. */
export function s3Endpoint(): string | undefined {
  const endpoint = Deno.env.get("AWS_ENDPOINT_URL_S3") ?? Deno.env.get("AWS_ENDPOINT_URL");
  return endpoint === undefined || endpoint === "" ? undefined : endpoint;
}

/** Where a bucket is asked for, as the environment has it. */
export function s3Address(url: string): URL {
  const endpoint = s3Endpoint();
  if (endpoint !== undefined) return new URL(endpoint);
  const region = Deno.env.get("AWS_REGION") ?? Deno.env.get("AWS_DEFAULT_REGION") ?? "us-east-1";
  return new URL(`https://${parseS3(url).bucket}.s3.${region}.amazonaws.com`);
}

/**
 * Makes a client. It tries nothing twice by itself, since what is tried again is decided in one place.
 *
 * @returns The client; to be destroyed after use.
 */
export async function openS3(): Promise<S3Client> {
  const { S3Client } = await loadS3();
  const endpoint = s3Endpoint();
  const region = Deno.env.get("AWS_REGION") ?? Deno.env.get("AWS_DEFAULT_REGION");
  return new S3Client({
    maxAttempts: 1,
    followRegionRedirects: true,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: SILENT_MS,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    },
    // Other stores have no regions, but a signature names one.
    ...(region === undefined && endpoint === undefined ? {} : { region: region ?? "us-east-1" }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  });
}

/** What may be known of an error of the SDK's. */
interface S3Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Whether a request that failed may work when it is sent again. */
export function isPassing(error: unknown): boolean {
  if (error instanceof CheckpointError || !(error instanceof Error)) return false;
  const { name, code = "", $metadata } = error as S3Failure;
  const status = $metadata?.httpStatusCode;
  // Bytes that were lost or damaged on their way, and what S3 says late, with a status of 200.
  if (/^(BadDigest|RequestTimeout|IncompleteBody|InternalError)$/.test(name)) return true;
  if (status !== undefined && status !== 200) return status === 429 || status >= 500;
  return /Timeout|Networking|SlowDown|Throttl/i.test(name) ||
    /^(ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|EAI_AGAIN)$/.test(code) ||
    /reset|closed|terminated|hang up|aborted|incomplete/i.test(error.message);
}

/**
 * What is wrong, and what to do.
 *
 * @param path The URL.
 * @param action The action of S3 that was asked for, as policies call it: `s3:GetObject`.
 */
export function describeS3Failure(path: string, action: string, error: unknown): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const { name = "", code = "", $metadata } = error as S3Failure;
  const status = $metadata?.httpStatusCode;
  const said = (text: string) => new FileError(`${path}: ${text}`);
  const { bucket } = parseS3(path);
  const message = messageOf(error).split("\n")[0]!;
  if (name === "NotCapable") return said(`Deno was not allowed to do what this needs: ${message}`);
  if (name === "NoSuchBucket") {
    return said(`there is no bucket ${bucket}; check the name, and AWS_ENDPOINT_URL`);
  }
  if (name === "NoSuchKey" || name === "NotFound" || status === 404) {
    return said("no such object or prefix; check the path");
  }
  if (status === 412) {
    return said("the object changed while it was read; wait until its writer is done, then run this again");
  }
  if (/^Expired|TokenRefreshRequired|RequestExpired/.test(name)) {
    return said(`the credentials are expired (${name}); get new ones, as by aws sso login`);
  }
  if (/^Invalid(AccessKeyId|Token)|SignatureDoesNotMatch|InvalidSecurity/.test(name)) {
    return said(`the store doesn't know the credentials (${name}); check AWS_PROFILE or AWS_ACCESS_KEY_ID`);
  }
  if (/QuotaExceeded|StorageFull|EntityTooLarge|Insufficient/i.test(name)) {
    return said(`the store takes no more (${name}); free space or raise the quota, and run this again`);
  }
  if (name === "AccessDenied" || status === 403) {
    return said(`permission denied: the credentials need ${action} (HTTP 403)`);
  }
  if (name === "CredentialsProviderError") {
    return said(
      "no credentials of AWS were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  }
  if (/region is missing/i.test(message)) {
    return said("no region is set; set AWS_REGION to that of the bucket");
  }
  if (name === "PermanentRedirect" || name === "AuthorizationHeaderMalformed" || status === 301) {
    return said("the bucket is in another region; set AWS_REGION to that");
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || /dns error|failed to lookup/i.test(message)) {
    return said("the host isn't known; check AWS_ENDPOINT_URL, AWS_REGION and the network");
  }
  if (code === "ECONNREFUSED") {
    return said("nothing answers at the host; check AWS_ENDPOINT_URL and the network");
  }
  if (/certificate|self.signed|UnknownIssuer/i.test(`${code} ${message}`)) {
    return said(`the host's certificate isn't trusted (${message}); see DENO_CERT`);
  }
  const detail = status === undefined ? name : `HTTP ${status}, ${name}`;
  return said(`the store gives an error (${detail}: ${message}); try again later`);
}
