/**
 * What is known of files in places that aren't this machine: `s3://`, `hf://`, `https://`. A place's list is read once, when
 * the place is opened ({@link openPlace}); from then on a path in it, which is a URL, is looked up here without asking
 * anybody. The list of a place stays until the same place is opened again.
 */

/** A file somewhere else, as it was when its place was opened. */
export interface RemoteFile {
  /** Its URL, as views and messages have it. */
  readonly path: string;
  /** Its size in bytes. */
  readonly size: number;
  /** What the place calls these very bytes: an ETag, or a commit and a hash. Other bytes are never read for them. */
  readonly version: string;
  /**
   * Reads bytes, trying again where that may help.
   *
   * @param length How many; the range must lie within the file.
   * @returns Exactly `length` bytes.
   * @throws {FileError} If they can't be read, or the file isn't what it was.
   * @throws {CancelledError} If `signal` was aborted.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** What lies in a directory: names. */
export interface RemoteNames {
  readonly files: Set<string>;
  readonly directories: Set<string>;
}

/** What went over the network for this process so far. */
export const traffic: { requests: number; bytesRead: number; bytesWritten: number } = {
  requests: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

/** A place that was opened. */
interface Place {
  readonly files: Map<string, RemoteFile>;
  readonly directories: Map<string, RemoteNames>;
}

const places = new Map<string, Place>();

/** Whether a path is the URL of something that isn't on this machine. */
export function isRemote(path: string): boolean {
  return /^(?:s3|hf|https?):\/\//.test(path);
}

/**
 * Makes a place's files known.
 *
 * @param root The place's URL, which ends with no slash. Where it is a file's, that is added to what is known of its
 * directory.
 */
export function addPlace(root: string, listed: readonly RemoteFile[]): void {
  const isFile = listed.length === 1 && listed[0]!.path === root;
  if (isFile) root = root.slice(0, root.lastIndexOf("/"));
  const { files, directories }: Place = isFile && places.get(root) ||
    { files: new Map(), directories: new Map() };
  for (const file of listed) {
    files.set(file.path, file);
    let kind: keyof RemoteNames = "files";
    for (let path = file.path; path !== root;) {
      const slash = path.lastIndexOf("/");
      const [parent, name] = [path.slice(0, slash), path.slice(slash + 1)];
      let names = directories.get(parent);
      const isKnown = names !== undefined;
      if (names === undefined) directories.set(parent, names = { files: new Set(), directories: new Set() });
      names[kind].add(name);
      if (isKnown) break;
      [path, kind] = [parent, "directories"];
    }
  }
  places.set(root, { files, directories });
}

/** The place that a path is or lies in. */
function placeOf(path: string): Place | undefined {
  for (let root = path;;) {
    const place = places.get(root);
    if (place !== undefined) return place;
    const slash = root.lastIndexOf("/");
    if (slash < 0) return undefined;
    root = root.slice(0, slash);
  }
}

/** A file in a place that was opened. */
export function remoteFile(path: string): RemoteFile | undefined {
  return placeOf(path)?.files.get(path);
}

/** What lies in a directory of a place that was opened; `undefined` where there is no such directory. */
export function remoteNames(path: string): RemoteNames | undefined {
  return placeOf(path)?.directories.get(path);
}

const texts = new Map<string, string>();

/** The text of a small file that was fetched beforehand, for those who read it at once. */
export function heldText(path: string): string | undefined {
  return texts.get(path);
}

/** Keeps the text of a small file. */
export function keepText(path: string, text: string): void {
  texts.set(path, text);
}
