/**
 * Every third-party import, pinned. They are inline `npm:` specifiers, so that `mod.ts` works when it is
 * imported by URL, without an import map.
 *
 * `deno-std` republishes the `@std/…` packages on npm. It ships no types, so the functions in use get theirs
 * here.
 */

import { equals as stdEquals } from "npm:deno-std@1.4.0/bytes/equals.js";
import { parseArgs as stdParseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
import { format as stdFormatSize } from "npm:deno-std@1.4.0/fmt/bytes.js";
import * as stdColors from "npm:deno-std@1.4.0/fmt/colors.js";
import { format as stdFormatDuration } from "npm:deno-std@1.4.0/fmt/duration.js";
import * as stdPath from "npm:deno-std@1.4.0/path/mod.js";
import { LimitedBytesTransformStream as StdLimitedBytes } from "npm:deno-std@1.4.0/streams/limited_bytes_transform_stream.js";
import { levenshteinDistance as stdLevenshteinDistance } from "npm:deno-std@1.4.0/text/levenshtein_distance.js";
import { parse as stdParseYaml } from "npm:deno-std@1.4.0/yaml/parse.js";

export type { Entry as ZipEntry } from "npm:@zip.js/zip.js@2.24.0";

/** `zip.js`. It takes 30 ms to load, so it is loaded when it is needed. */
export const loadZip = (): Promise<typeof import("npm:@zip.js/zip.js@2.24.0")> =>
  import("npm:@zip.js/zip.js@2.24.0");

export type { S3Client } from "npm:@aws-sdk/client-s3@3.1175.0";

/** The AWS SDK's client of S3. It takes some 60 MB on disk and reads the environment, so only `s3://` loads it. */
export const loadS3 = (): Promise<typeof import("npm:@aws-sdk/client-s3@3.1175.0")> =>
  import("npm:@aws-sdk/client-s3@3.1175.0");

/** A node of a tree, and its rectangle. */
export interface Tile<T> {
  readonly data: T;
  readonly depth: number;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  descendants(): Tile<T>[];
}

/** A way to lay out rectangles. */
interface Treemap<T> {
  size(size: readonly [width: number, height: number]): this;
  paddingInner(padding: number): this;
  paddingTop(paddingOf: (tile: Tile<T>) => number): this;
  (root: unknown): Tile<T>;
}

/** `d3-hierarchy`, which ships no types. */
interface Hierarchy {
  hierarchy<T>(root: T): { sum(sizeOf: (node: T) => number): unknown };
  treemap<T>(): Treemap<T>;
}

/** A document of the DOM: what Plot says it is, for `Document` is unknown to those whose own `lib` lacks the DOM. */
type ChartDocument = NonNullable<import("npm:@observablehq/plot@0.6.17").PlotOptions["document"]>;

/** What draws charts: Observable Plot, a document without a browser to draw in, and `d3-hierarchy`. */
interface ChartTools extends Hierarchy {
  readonly Plot: typeof import("npm:@observablehq/plot@0.6.17");
  readonly document: ChartDocument;
}

/** The libraries for charts. They take 70 ms to load, so they are loaded when a page is made. */
export async function loadChartTools(): Promise<ChartTools> {
  const [Plot, { parseHTML }, { hierarchy, treemap }] = await Promise.all([
    import("npm:@observablehq/plot@0.6.17"),
    import("npm:linkedom@0.18.15"),
    import("npm:d3-hierarchy@3.1.3") as Promise<Hierarchy>,
  ]);
  const document: ChartDocument = Reflect.get(parseHTML("<html></html>"), "document");
  return { Plot, document, hierarchy, treemap };
}

/** What `@std/cli`'s `parseArgs` gives: options by name, and positional arguments under `_`. */
type ParsedArgs = Record<string, unknown> & { _: (string | number)[] };

/** `@std/bytes`: whether two runs of bytes are the same. */
export const areSameBytes: (a: Uint8Array, b: Uint8Array) => boolean = stdEquals;

/** `@std/cli`: parses command line arguments. */
export const parseArgs: (args: string[], options: {
  boolean?: string[];
  string?: string[];
  collect?: string[];
  alias?: Record<string, string>;
  negatable?: string[];
  default?: Record<string, unknown>;
  unknown?: (argument: string, key?: string, value?: unknown) => unknown;
}) => ParsedArgs = stdParseArgs;

/** `@std/fmt`: colours for a terminal, unless NO_COLOR is set. */
export const colors: {
  bold(text: string): string;
  rgb8(text: string, color: number): string;
} = stdColors;

/** `@std/fmt`: milliseconds in units from days to nanoseconds: `2m 5s`. */
export const formatDuration: (ms: number, options?: { ignoreZero?: boolean }) => string = stdFormatDuration;

/** `@std/fmt`: bytes in decimal units, with three digits at most: `3 GB`. */
export const formatSize: (bytes: number) => string = stdFormatSize;

/** What a URL is to the four functions below: a path from a root, without a slash at its end, or `..` in it. */
const URL_LIKE = /^[a-z][a-z\d]+:\/\//;

/** `@std/path`: joins path segments; the first one may be a URL. */
export const join = (...paths: string[]): string =>
  URL_LIKE.test(paths[0] ?? "")
    ? paths.map((part, i) => i === 0 ? part.replace(/\/+$/, "") : part).join("/")
    : stdPath.join(...paths);
/** `@std/path`: the path or URL without its last segment. */
export const dirname = (path: string): string =>
  URL_LIKE.test(path) ? path.replace(/^([^/]+\/\/.+)\/.*/s, "$1") : stdPath.dirname(path);
/** `@std/path`: the last segment of a path or URL. */
export const basename = (path: string, suffix?: string): string => stdPath.basename(path, suffix);
/** `@std/path`: makes a path absolute, as a URL is already. */
export const resolve = (...paths: string[]): string =>
  URL_LIKE.test(paths[0] ?? "") ? join(...paths).replace(/\/+$/, "") : stdPath.resolve(...paths);

/** `@std/streams`: passes on so many bytes, and then ends, or fails with a `RangeError` where that is asked for. */
export const LimitedBytesTransformStream: new (
  size: number,
  options?: { error?: boolean },
) => TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> = StdLimitedBytes;

/** `@std/text`: the number of edits between two strings. */
export const levenshteinDistance: (a: string, b: string) => number = stdLevenshteinDistance;

/** `@std/yaml`: the value of a text that is one YAML document; throws a `SyntaxError`. */
export const parseYaml: (text: string, options: { schema: "core" }) => unknown = stdParseYaml;
