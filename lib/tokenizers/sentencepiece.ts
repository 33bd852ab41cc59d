/**
 * Reads what a SentencePiece model says of its vocabulary, and writes one (sentencepiece 0.2 `sentencepiece_model.proto`).
 */

import { FormatError } from "../error.ts";
import { KeyGuard } from "../key_guard.ts";
import { MAX_TOKEN_BYTES } from "./limits.ts";
import { protobufFields, ProtobufWriter } from "./protobuf.ts";

/** What a piece is there for (`ModelProto.SentencePiece.Type`). */
export type PieceType = "normal" | "unknown" | "control" | "user defined" | "unused" | "byte";

/** A piece of a vocabulary. Its id is its place. */
export interface Piece {
  /** Its text; a space is `▁`. */
  readonly text: string;
  /** The higher, the earlier two others are merged to it. */
  readonly score: number;
  /** What it is there for. */
  readonly type: PieceType;
}

/** A SentencePiece model that merges pairs of bytes, as LLaMA's does. */
export interface SentencePieceModel {
  /** The vocabulary by id. */
  readonly pieces: readonly Piece[];
  /**
   * Whether a text is cut up as it is, but for a space in front, as in LLaMA's models; no Unicode
   * normalization and no spaces removed.
   */
  readonly keepsText: boolean;
}

const PIECE_TYPES: ReadonlyMap<bigint, PieceType> = new Map([
  [1n, "normal"],
  [2n, "unknown"],
  [3n, "control"],
  [4n, "user defined"],
  [5n, "unused"],
  [6n, "byte"],
]);

const PIECE_TYPE_NUMBERS: ReadonlyMap<PieceType, number> = new Map(
  PIECE_TYPES.entries().map(([number, type]) => [type, Number(number)]),
);

/** `TrainerSpec.ModelType`. */
const MODEL_TYPES: ReadonlyMap<bigint, string> = new Map([
  [1n, "unigram"],
  [2n, "byte-pair encoding"],
  [3n, "word"],
  [4n, "character"],
]);

const BPE = 2n;

/** LLaMA's first pieces, by id: their texts are what transformers' `LlamaTokenizer` takes for granted. */
const FIRST_PIECES: readonly Pick<Piece, "text" | "type">[] = [
  { text: "<unk>", type: "unknown" },
  { text: "<s>", type: "control" },
  { text: "</s>", type: "control" },
];

/**
 * Reads a SentencePiece model.
 *
 * @throws {FormatError} If it is damaged, or no model of LLaMA's kind: byte-pair encoding, with `<unk>`,
 * `<s>` and `</s>` as its first pieces.
 */
export function parseSentencePiece(bytes: Uint8Array, path: string): SentencePieceModel {
  const pieces: Piece[] = [];
  let modelType = 1n;
  let keepsText = false;
  try {
    for (const { number, value } of protobufFields(bytes)) {
      if (typeof value === "bigint") continue;
      if (number === 1) pieces.push(parsePiece(value, `${path}: piece ${pieces.length}`));
      else if (number === 2) modelType = numberOf(value, 3) ?? 1n;
      else if (number === 3) keepsText = normalizerKeepsText(value);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new FormatError(`${path}: the SentencePiece model is damaged or incomplete; copy it again`);
  }
  if (modelType !== BPE) {
    throw new FormatError(
      `${path}: its algorithm is ${
        MODEL_TYPES.get(modelType) ?? modelType
      }, where LLaMA's is byte-pair encoding`,
    );
  }
  checkPieces(pieces, path);
  return { pieces, keepsText };
}

/**
 * Writes a SentencePiece model as LLaMA's is: byte-pair encoding with tokens for bytes, texts cut up as they are.
 *
 * @param addsSpace Whether a space is put in front of a text.
 * @returns `undefined` if its first pieces aren't LLaMA's, or aren't there for the same.
 */
export function sentencePieceModel(pieces: readonly Piece[], addsSpace: boolean): Uint8Array | undefined {
  if (FIRST_PIECES.some(({ text, type }, id) => pieces[id]?.text !== text || pieces[id].type !== type)) {
    return undefined;
  }
  const writer = new ProtobufWriter();
  for (const { text, score, type } of pieces) {
    const piece = new ProtobufWriter();
    piece.bytes(1, new TextEncoder().encode(text));
    piece.float(2, score);
    piece.varint(3, PIECE_TYPE_NUMBERS.get(type)!);
    writer.bytes(1, piece.finished());
  }
  const trainer = new ProtobufWriter();
  trainer.varint(3, Number(BPE));
  trainer.varint(4, pieces.length);
  trainer.varint(35, 1);
  writer.bytes(2, trainer.finished());
  const normalizer = new ProtobufWriter();
  normalizer.bytes(1, new TextEncoder().encode("identity"));
  normalizer.varint(3, Number(addsSpace));
  normalizer.varint(4, 0);
  normalizer.varint(5, 1);
  writer.bytes(3, normalizer.finished());
  return writer.finished();
}

function parsePiece(message: Uint8Array, where: string): Piece {
  let text: string | undefined;
  let score = 0;
  let type: PieceType | undefined = "normal";
  for (const { number, value } of protobufFields(message)) {
    if (number === 1 && typeof value !== "bigint") text = parseText(value, where);
    else if (number === 2 && typeof value === "bigint") score = floatOfBits(value);
    else if (number === 3 && typeof value === "bigint") type = PIECE_TYPES.get(value);
  }
  if (text === undefined || text === "" || type === undefined || !Number.isFinite(score)) {
    throw new FormatError(
      `${where}: it has no text, score or type that a piece can have; the file is damaged`,
    );
  }
  return { text, score, type };
}

function parseText(bytes: Uint8Array, where: string): string {
  if (bytes.length > MAX_TOKEN_BYTES) {
    throw new FormatError(
      `${where}: a token has at most ${MAX_TOKEN_BYTES} bytes, this one has ${bytes.length}`,
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError(`${where}: its text is no UTF-8; the file is damaged`);
  }
}

function floatOfBits(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number(BigInt.asUintN(32, bits)));
  return view.getFloat32(0);
}

/** A number in a message, the last one where there are several. */
function numberOf(message: Uint8Array, field: number): bigint | undefined {
  let found: bigint | undefined;
  for (const { number, value } of protobufFields(message)) {
    if (number === field && typeof value === "bigint") found = value;
  }
  return found;
}

/** `NormalizerSpec`: all three switches are on where the message doesn't say. */
function normalizerKeepsText(message: Uint8Array): boolean {
  for (const { number, value } of protobufFields(message)) {
    if (number === 2 && typeof value !== "bigint" && value.length > 0) return false;
  }
  const addsSpace = numberOf(message, 3) ?? 1n;
  const removesSpaces = numberOf(message, 4) ?? 1n;
  const escapesSpaces = numberOf(message, 5) ?? 1n;
  return addsSpace !== 0n && removesSpaces === 0n && escapesSpaces !== 0n;
}

function checkPieces(pieces: readonly Piece[], path: string): void {
  for (const [id, { text, type }] of FIRST_PIECES.entries()) {
    const piece = pieces[id];
    if (piece?.text !== text || piece.type !== type) {
      throw new FormatError(
        `${path}: piece ${id} is ${
          piece === undefined ? "missing" : JSON.stringify(piece.text)
        }, where LLaMA's is ${text}`,
      );
    }
  }
  const ids = new Map<string, number>();
  const guard = new KeyGuard();
  for (const [id, { text }] of pieces.entries()) {
    if (!guard.allows(ids, text)) {
      throw new FormatError(`${path}: too many pieces have one hash; it is no vocabulary of LLaMA's`);
    }
    const known = ids.get(text);
    if (known !== undefined) {
      throw new FormatError(
        `${path}: the pieces ${known} and ${id} are both ${JSON.stringify(text)}; the file is damaged`,
      );
    }
    ids.set(text, id);
  }
}
