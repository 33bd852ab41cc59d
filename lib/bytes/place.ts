/** Opening places that aren't this machine, by the scheme of their URL. */

import { FileError } from "../error.ts";
import { findHttpFile, listHttp } from "./http_place.ts";
import type { HttpOptions } from "./http_source.ts";
import { listHub, parseHub } from "./hub_place.ts";
import { addPlace, isRemote, keepText, type RemoteFile, remoteFile } from "./remote.ts";
import { findS3Object, listS3 } from "./s3_place.ts";

/** A kind of place. */
interface PlaceKind {
  /** The root of the place that a URL lies in. */
  rootOf(url: string): string;
  /** Lists the files at a URL and below it; or the file that it is. */
  list(url: string, options: HttpOptions): Promise<RemoteFile[]>;
  /** Finds a file that is in no list; `undefined` where there is none, or none that may be read. */
  find(url: string, options: HttpOptions): Promise<RemoteFile | undefined>;
}

const web: PlaceKind = { rootOf: withoutSlash, list: listHttp, find: findHttpFile };

const kinds: Readonly<Record<string, PlaceKind>> = {
  http: web,
  https: web,
  s3: { rootOf: withoutSlash, list: listS3, find: findS3Object },
  // All of a repository is in one list.
  hf: { rootOf: (url) => parseHub(url).root, list: listHub, find: () => Promise.resolve(undefined) },
};

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

function kindOf(url: string): PlaceKind {
  return kinds[url.slice(0, url.indexOf(":"))]!;
}

/**
 * Opens the place that a path lies in: lists what is there. Of a path on this machine there is nothing to do.
 *
 * @returns The path, as it has to be written from now on.
 * @throws {FileError} If there is no such place, or it can't be reached.
 */
export async function openPlace(path: string, options: HttpOptions = {}): Promise<string> {
  if (!isRemote(path)) return path;
  const kind = kindOf(path);
  const files = await kind.list(path, options);
  const root = kind.rootOf(path);
  if (files.length === 0) throw new FileError(`${path}: holds no files; check the path`);
  addPlace(root, files);
  return withoutSlash(path);
}

/** The longest text that is held, in characters. */
const MAX_TEXT_BYTES = 1 << 20;

/**
 * Looks for a small text, and fetches it if it is there: from then on it is held.
 *
 * @returns Whether it is there.
 */
export async function holdText(path: string, options: HttpOptions = {}): Promise<boolean> {
  const file = remoteFile(path) ?? await kindOf(path).find(path, options);
  if (file === undefined || file.size > MAX_TEXT_BYTES) return false;
  keepText(path, new TextDecoder().decode(await file.read(0, file.size)));
  return true;
}
