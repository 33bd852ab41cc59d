/**
 * Repositories of models on the Hugging Face hub: `hf://org/name[@revision][/folder]`. The list of files and the commit are
 * asked for once; every byte is then read from that commit, whatever happens to the branch.
 */

import { FileError } from "../error.ts";
import { requestEnvironment } from "./environment.ts";
import { type Answer, ask, type HttpClient, HttpFile, refusalOf } from "./http_file.ts";
import type { HttpOptions } from "./http_source.ts";
import type { RemoteFile } from "./remote.ts";
import { PassingFailure, retrying } from "./retry.ts";

const HUB = "https://huggingface.co";

/** The variables of the environment that are read, as by `huggingface_hub`. */
const HUB_LEAVE = { variables: ["HF_ENDPOINT", "HF_TOKEN"] };

/** The largest page of a list, in bytes: 1000 files with paths of 1000 characters, and their hashes. */
const MAX_PAGE_BYTES = 1 << 23;

/** The most files of a repository, as of a directory on this machine. */
const MAX_FILES = 100_000;

/** A repository, or a part of it. */
export interface HubLocation {
  readonly name: string;
  readonly revision: string;
  /** The path in it, without slashes at its ends. */
  readonly path: string;
  /** The URL of the repository at that revision, as it was given. */
  readonly root: string;
}

/**
 * The parts of an `hf://` URL. A revision with slashes is one of the hub's own (`refs/pr/1`), or has them as `%2F`.
 *
 * @throws {FileError} If it names no repository.
 */
export function parseHub(url: string): HubLocation {
  const match = /^(hf:\/\/([\w.-]+\/[\w.-]+)(?:@(refs\/(?:pr|convert)\/[\w.-]+|[^/@]+))?)(?:\/+(.*?))?\/*$/s
    .exec(url);
  if (match === null) {
    throw new FileError(
      `${url}: names no repository; write hf://organisation/name, or hf://organisation/name@revision`,
    );
  }
  const [, root = "", name = "", revision = "main", path = ""] = match;
  return { name, revision: decodeURIComponent(revision), path, root };
}

/** The hub that the environment names, or the one that there is. */
export function hubEndpoint(): URL {
  const endpoint = Deno.env.get("HF_ENDPOINT") || HUB;
  const url = URL.parse(endpoint.replace(/\/+$/, "") + "/");
  if (url?.protocol === "https:" || url?.protocol === "http:") return url;
  throw new FileError(`HF_ENDPOINT is ${endpoint}, which is no address of a hub; unset it, or mend it`);
}

function hubClient(options: HttpOptions, { name, revision, path }: HubLocation): HttpClient {
  const { origin } = hubEndpoint();
  const token = Deno.env.get("HF_TOKEN");
  const isKnown = token !== undefined && token !== "";
  return {
    ...options,
    // Nobody else is told the token: the hosts that have the large files know it no more than any thief.
    headers(url): Readonly<Record<string, string>> {
      return url.origin === origin && isKnown ? { authorization: `Bearer ${token}` } : {};
    },
    refusal(status, headers) {
      const code = headers.get("x-error-code");
      const page = `${origin}/${name}`;
      if (code === "GatedRepo") {
        return isKnown
          ? `the model is gated, and who HF_TOKEN belongs to isn't let in; ask for access on ${page}`
          : `the model is gated; ask for access on ${page}, and set HF_TOKEN to a token of yours`;
      }
      if (code === "RevisionNotFound") {
        return `the repository has no revision ${revision}; see ${page}/commits/main`;
      }
      if (code === "EntryNotFound") {
        return `the repository has no ${path === "" ? "such file" : path}; see ${page}/tree/main`;
      }
      if (code === "RepoNotFound" || status === 401) {
        return isKnown
          ? "the hub knows no such model, or HF_TOKEN may not read it; check the name and the token"
          : "the hub knows no such model, or it is private; check the name, and set HF_TOKEN for one of yours";
      }
      return undefined;
    },
  };
}

/** Lists the files of a repository at a URL and below it, or the file that it is. */
export async function listHub(url: string, options: HttpOptions): Promise<RemoteFile[]> {
  const location = parseHub(url);
  await requestEnvironment(url, HUB_LEAVE);
  const { name, revision, root } = location;
  const endpoint = hubEndpoint();
  const client = hubClient(options, location);
  const api = new URL(`api/models/${name}/`, endpoint);
  const { sha } = await askJson(client, new URL(`revision/${encodeURIComponent(revision)}`, api), url) as {
    sha?: unknown;
  };
  if (typeof sha !== "string" || !/^[\da-f]{40}$/.test(sha)) throw strange(url);
  const files: RemoteFile[] = [];
  let page: URL | undefined = new URL(`tree/${sha}?recursive=true`, api);
  while (page !== undefined) {
    const answer: Answer = await askWell(client, page, url);
    const entries = parseJson(answer, url);
    if (!Array.isArray(entries)) throw strange(url);
    for (const entry of entries) {
      const { type, path, size, oid } = entry as Record<string, unknown>;
      if (type !== "file") continue;
      if (
        typeof path !== "string" || !isPlain(path) || !Number.isSafeInteger(size) || typeof oid !== "string"
      ) {
        throw strange(url);
      }
      const address = new URL(
        `${name}/resolve/${sha}/${path.split("/").map(encodeURIComponent).join("/")}`,
        endpoint,
      );
      files.push(new HttpFile(client, address, `${root}/${path}`, size as number, `${sha} ${oid}`));
    }
    if (files.length > MAX_FILES) throw new FileError(`${url}: holds more than ${MAX_FILES} files`);
    page = nextPage(answer, endpoint);
  }
  return files;
}

/** Whether a path is one below its directory, whoever says so. */
function isPlain(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** The next page of a list. Another host than the hub's is none, since it would be told the token. */
function nextPage({ headers }: Answer, { origin }: URL): URL | undefined {
  const link = /<([^>]*)>;\s*rel="next"/.exec(headers.get("link") ?? "")?.[1];
  const next = link === undefined ? undefined : URL.parse(link);
  return next?.origin === origin ? next : undefined;
}

async function askWell(client: HttpClient, url: URL, path: string): Promise<Answer> {
  return await retrying(async () => {
    const answer = await ask(client, url, { method: "GET", path, maxBytes: MAX_PAGE_BYTES });
    if (answer.status !== 200) throw refusalOf(client, path, answer);
    const length = answer.headers.get("content-length");
    if (length !== null && Number(length) !== answer.bytes.length) {
      throw new PassingFailure(new FileError(`${path}: the hub hangs up in the middle; try again later`));
    }
    return answer;
  }, client.signal);
}

async function askJson(client: HttpClient, url: URL, path: string): Promise<object> {
  const value = parseJson(await askWell(client, url, path), path);
  if (typeof value !== "object" || value === null) throw strange(path);
  return value;
}

function parseJson({ bytes }: Answer, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw strange(path);
  }
}

function strange(path: string): FileError {
  return new FileError(`${path}: what answers is no Hugging Face hub; check HF_ENDPOINT`);
}
