/** GGUF files of small models, as they are or changed. */

import { join } from "../../lib/deps.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { convertCheckpoint } from "../../lib/convert/convert_checkpoint.ts";
import { type GgufTensor, layoutGguf } from "../../lib/gguf/layout.ts";
import { readGguf } from "../../lib/gguf/read.ts";
import type { GgufMetadata, GgufValue } from "../../lib/gguf/value.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

/** A model that is converted. */
export const CASE = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16");

/** Converts {@linkcode CASE}, or another checkpoint, to GGUF without a tokenizer. */
export async function makeGguf(
  output: string,
  options: { input?: string; dtype?: "q8_0" | "float32"; maxShardSize?: number } = {},
): Promise<string> {
  await convertCheckpoint({ input: CASE, ...options, output, to: "gguf", tokenizer: false });
  return join(output, "model.gguf");
}

/** A tensor with its bytes. */
export type Stored = GgufTensor & { readonly data: Uint8Array };

/** Writes a file; all bytes of its tensors are given. */
export function writeGguf(path: string, metadata: GgufMetadata, tensors: readonly Stored[]): void {
  const { size, literals } = layoutGguf("", metadata, tensors);
  const file = new Uint8Array(size);
  for (const { at, bytes } of literals) file.set(bytes, at);
  Deno.writeFileSync(path, file);
}

/** What a file holds, to be changed. */
export interface Contents {
  readonly metadata: Map<string, GgufValue>;
  tensors: Stored[];
}

/** Writes a file anew after a change. */
export async function editGguf(path: string, change: (contents: Contents) => void): Promise<void> {
  const file = Deno.readFileSync(path);
  using source = FileSource.open(path);
  const { metadata, tensors } = await readGguf(source);
  const contents = {
    metadata: new Map(metadata),
    tensors: tensors.map(({ name, type, shape, offset, bytes = 0 }) => ({
      name,
      type,
      shape,
      data: file.slice(offset, offset + bytes),
    })),
  };
  change(contents);
  writeGguf(path, contents.metadata, contents.tensors);
}

export const text = (value: string): GgufValue => ({ type: "string", value });
export const uint32 = (value: number): GgufValue => ({ type: "uint32", value });
export const float32 = (value: number): GgufValue => ({ type: "float32", value });
