/**
 * A tokenizer that does what a `tokenizer.json` says, so that its ids can be compared to those of others. It
 * knows the components that LLaMA's tokenizers have and nothing else, and is as slow as it is plain.
 */

import { byteLevelText } from "../../lib/tokenizers/byte_unicode.ts";

interface Step {
  type: string;
  normalizers?: Step[];
  pretokenizers?: Step[];
  prepend?: string;
  pattern?: { String?: string; Regex?: string };
  content?: string;
  use_regex?: boolean;
}

interface Json {
  added_tokens: { id: number; content: string }[];
  normalizer: Step | null;
  pre_tokenizer: Step | null;
  model: {
    unk_token: string | null;
    byte_fallback: boolean;
    ignore_merges: boolean;
    vocab: Record<string, number>;
    merges: [string, string][];
  };
}

/** A tokenizer by its `tokenizer.json`. */
export class JsonTokenizer {
  readonly #json: Json;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #added: RegExp;

  /** Reads a `tokenizer.json`. */
  constructor(text: string) {
    this.#json = JSON.parse(text);
    const { added_tokens, model } = this.#json;
    this.#ids = new Map([
      ...Object.entries(model.vocab),
      ...added_tokens.map(({ id, content }): [string, number] => [content, id]),
    ]);
    this.#ranks = new Map(model.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
    this.#added = new RegExp(
      `(${added_tokens.map(({ content }) => RegExp.escape(content)).join("|")})`,
      "gu",
    );
  }

  /** The ids of a text, without what is put around them. */
  encode(text: string): number[] {
    return text.split(this.#added).flatMap((part, index) => {
      if (index % 2 === 1) return [this.#ids.get(part)!];
      const normalized = normalize(part, this.#json.normalizer);
      return preTokenize(normalized, this.#json.pre_tokenizer).flatMap((piece) => this.#merge(piece));
    });
  }

  #merge(piece: string): number[] {
    const { ignore_merges } = this.#json.model;
    if (ignore_merges && this.#ids.has(piece)) return [this.#ids.get(piece)!];
    const symbols = [...piece];
    while (true) {
      let best = Infinity;
      let at = -1;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = this.#ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return symbols.flatMap((symbol) => this.#idsOf(symbol));
      symbols.splice(at, 2, symbols[at]! + symbols[at + 1]!);
    }
  }

  #idsOf(symbol: string): number[] {
    const id = this.#ids.get(symbol);
    if (id !== undefined) return [id];
    if (!this.#json.model.byte_fallback) {
      throw new Error(`Cannot encode ${JSON.stringify(symbol)}: it has no id`);
    }
    return [...new TextEncoder().encode(symbol)].map((byte) =>
      this.#ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)!
    );
  }
}

function normalize(text: string, step: Step | null): string {
  if (step === null || text === "") return text;
  if (step.type === "Sequence") return step.normalizers!.reduce(normalize, text);
  if (step.type === "Prepend") return step.prepend + text;
  if (step.type === "NFC") return text.normalize("NFC");
  if (step.type === "Replace") return text.replaceAll(step.pattern!.String!, step.content!);
  throw new Error(`Cannot normalize by ${step.type}`);
}

function preTokenize(text: string, step: Step | null): string[] {
  if (text === "") return [];
  if (step === null) return [text];
  if (step.type === "Sequence") {
    return step.pretokenizers!.reduce(
      (pieces, inner) => pieces.flatMap((piece) => preTokenize(piece, inner)),
      [text],
    );
  }
  if (step.type === "Split") return splitBy(text, step.pattern!.Regex!);
  if (step.type === "Digits") return splitBy(text, String.raw`\p{N}`);
  if (step.type === "ByteLevel") return (step.use_regex ? splitBy(text, GPT_2) : [text]).map(bytesOf);
  throw new Error(`Cannot split by ${step.type}`);
}

/** How `ByteLevel` cuts up texts by itself. */
const GPT_2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

function bytesOf(text: string): string {
  return byteLevelText(
    new TextEncoder().encode(text).reduce((all, byte) => all + String.fromCharCode(byte), ""),
  );
}

/** The matches of a pattern and what lies between them. JavaScript's `\s` isn't Unicode's white space. */
function splitBy(text: string, pattern: string): string[] {
  const regex = new RegExp(
    pattern.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"),
    "gu",
  );
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(regex)) {
    pieces.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...pieces, text.slice(end)].filter((piece) => piece !== "");
}
