/**
 * SHA-256 sums in the format of `sha256sum` (GNU coreutils 9): a line for each file, which that program checks too.
 *
 * A tensor's line has `#` in front, which makes it a comment for `sha256sum`, and the file's name, `#` and the tensor's
 * name behind the sum. Its bytes are those of its items in row-major order, wherever they lie in the file.
 */

import { FormatError } from "../error.ts";

/** Sums by name. */
export interface Sums {
  readonly files: ReadonlyMap<string, string>;
  /** Those of tensors, by {@linkcode tensorSumName}. */
  readonly tensors: ReadonlyMap<string, string>;
}

/** The name under which a tensor's sum stands. */
export function tensorSumName(file: string, tensor: string): string {
  return `${file}#${tensor}`;
}

/** The letters that `sha256sum` writes for those that would end a line or look like such letters. */
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };
const UNESCAPES = new Map(Object.entries(ESCAPES).map(([plain, escaped]) => [escaped, plain]));

/** The line of a file, without its end. */
export function sumLine(sum: string, name: string): string {
  const escaped = name.replace(/[\\\n\r]/g, (letter) => ESCAPES[letter]!);
  return `${escaped === name ? "" : "\\"}${sum}  ${escaped}`;
}

/** The line of a tensor; see {@linkcode sumLine}. */
export function tensorSumLine(sum: string, file: string, tensor: string): string {
  return `# ${sumLine(sum, tensorSumName(file, tensor))}`;
}

const LINE = /^(\\?)([0-9a-fA-F]{64}) [ *](.+)$/s;

/**
 * Reads what {@linkcode sumLine}, {@linkcode tensorSumLine} or `sha256sum` wrote. Other lines that begin with `#` are
 * comments.
 *
 * @throws {FormatError} If a line is none, or two are of one name and differ.
 */
export function parseSums(text: string, path: string): Sums {
  const sums = { files: new Map<string, string>(), tensors: new Map<string, string>() };
  text.split(/\r?\n/).forEach((line, i) => {
    const isComment = line.startsWith("#");
    const match = LINE.exec(isComment ? line.replace(/^# ?/, "") : line);
    if (match === null) {
      if (isComment || line.trim() === "") return;
      throw new FormatError(`${path}: line ${i + 1} isn't one that sha256sum or ckpt verify --sums writes`);
    }
    const [, escaped, sum, written] = match as unknown as [string, string, string, string];
    const name = escaped === ""
      ? written
      : written.replace(/\\[\\nr]/g, (letters) => UNESCAPES.get(letters)!);
    const into = isComment ? sums.tensors : sums.files;
    const known = into.get(name);
    if (known !== undefined && known !== sum.toLowerCase()) {
      throw new FormatError(`${path}: line ${i + 1} gives another sum for ${name} than a line before it`);
    }
    into.set(name, sum.toLowerCase());
  });
  return sums;
}
