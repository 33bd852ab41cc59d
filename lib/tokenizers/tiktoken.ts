/**
 * Reads a tiktoken vocabulary: a line for each token, its bytes in base64, a space, and its rank (tiktoken
 * 0.14.0 `load.py`, `load_tiktoken_bpe`). A token's rank is its id.
 */

import { FormatError } from "../error.ts";
import { KeyGuard } from "../key_guard.ts";
import { MAX_TOKEN_BYTES } from "./limits.ts";

/** Base64 without bits that an encoder would have left 0, and a number without zeros in front. */
const LINE =
  /^((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)) (0|[1-9][0-9]{0,8})$/;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const MAX_SHOWN_CHARACTERS = 40;

/**
 * Reads a tiktoken vocabulary: the tokens by rank, with a character for each byte, as `atob` gives it. It is stricter
 * than tiktoken, which takes what can be decoded: ranks must be 0, 1, 2 … without a gap (in any order), no token may be
 * there twice, and each byte must be a token, since a text with another byte could have no ids.
 *
 * @throws {FormatError} If it is no vocabulary.
 */
export function parseTiktoken(bytes: Uint8Array, path: string): string[] {
  const ranks = new Map<string, number>();
  const guard = new KeyGuard();
  const tokens: string[] = [];
  let lineNumber = 0;
  for (const line of linesOf(bytes)) {
    lineNumber += 1;
    if (line === "") continue;
    const where = `${path}: line ${lineNumber}`;
    const { token, rank } = parseLine(line, where);
    if (tokens[rank] !== undefined) {
      throw new FormatError(`${where}: rank ${rank} is there twice; the file is damaged`);
    }
    if (!guard.allows(ranks, token)) {
      throw new FormatError(`${path}: too many tokens have one hash; it is no vocabulary of LLaMA's`);
    }
    const known = ranks.get(token);
    if (known !== undefined) {
      throw new FormatError(`${where}: its token has rank ${known} already; the file is damaged`);
    }
    ranks.set(token, rank);
    // A rank far past the others would make the array sparse, which is slow; a gap is found below.
    tokens[rank] = token;
  }
  checkRanks(tokens, ranks, path);
  return tokens;
}

/**
 * The lines without their ends. One at a time, since together they are several times as large as the file.
 */
function* linesOf(bytes: Uint8Array): Generator<string, void, undefined> {
  const decoder = new TextDecoder("latin1");
  let start = 0;
  while (start < bytes.length) {
    const found = bytes.indexOf(LINE_FEED, start);
    const end = found < 0 ? bytes.length : found;
    const trimmed = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    yield decoder.decode(bytes.subarray(start, trimmed));
    start = end + 1;
  }
}

function parseLine(line: string, where: string): { token: string; rank: number } {
  const match = LINE.exec(line);
  if (match === null) {
    const shown = line.length > MAX_SHOWN_CHARACTERS ? `${line.slice(0, MAX_SHOWN_CHARACTERS)}…` : line;
    throw new FormatError(
      `${where}: expected a token in base64 and its rank, got ${
        JSON.stringify(shown)
      }; the file is damaged or incomplete`,
    );
  }
  const token = atob(match[1]!);
  if (token.length > MAX_TOKEN_BYTES) {
    throw new FormatError(
      `${where}: a token has at most ${MAX_TOKEN_BYTES} bytes, this one has ${token.length}`,
    );
  }
  return { token, rank: Number(match[2]) };
}

function checkRanks(tokens: readonly string[], ranks: ReadonlyMap<string, number>, path: string): void {
  if (tokens.length !== ranks.size) {
    const missing = tokens.findIndex((token) => token === undefined);
    throw new FormatError(`${path}: rank ${missing} is missing; the file is damaged or incomplete`);
  }
  for (let byte = 0; byte < 0x100; byte++) {
    if (!ranks.has(String.fromCharCode(byte))) {
      throw new FormatError(
        `${path}: there is no token for the byte 0x${
          byte.toString(16).padStart(2, "0")
        }; the file is damaged or incomplete`,
      );
    }
  }
}
