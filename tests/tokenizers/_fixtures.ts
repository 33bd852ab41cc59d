/**
 * The tokenizers under `fixtures/tokenizer`, and what others made of them (`make_tokenizers.py` there).
 */

import type { OutputFile } from "../../lib/copy/plan.ts";

const FIXTURES = new URL("../../fixtures/tokenizer/", import.meta.url);

/** The bytes of a fixture. */
export function fixture(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, FIXTURES));
}

async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The value of a fixture that is JSON, compressed where its name ends in `.gz`. */
export async function jsonFixture<T>(name: string): Promise<T> {
  const bytes = fixture(name);
  return JSON.parse(new TextDecoder().decode(name.endsWith(".gz") ? await gunzip(bytes) : bytes));
}

/** Texts, and their ids by tiktoken and by SentencePiece. */
export interface Ids {
  readonly texts: readonly string[];
  readonly tiktoken: readonly (readonly number[])[];
  readonly sentencepiece: readonly (readonly number[] | null)[];
}

/** The bytes of a planned file that has no copies. */
export function contentOf(file: OutputFile): Uint8Array {
  const bytes = new Uint8Array(file.size);
  let written = 0;
  for (const { at, bytes: part } of file.literals) {
    bytes.set(part, at);
    written += part.length;
  }
  if (file.copies.length > 0 || written !== file.size) {
    throw new Error(`Cannot lay out ${file.name}: it has gaps`);
  }
  return bytes;
}

/** The contents of planned files as texts, by name. */
export function textsOf(files: readonly OutputFile[]): Map<string, string> {
  return new Map(files.map((file) => [file.name, new TextDecoder().decode(contentOf(file))]));
}
