/**
 * Checkpoints in all layouts, for tests: the real ones, opened and converted.
 */

import { completeLiterals } from "../../lib/copy/literals.ts";
import { crc32 } from "node:zlib";
import { dirname, join } from "../../lib/deps.ts";
import type { OutputFile } from "../../lib/copy/plan.ts";
import type { Checkpoint, Parameters } from "../../lib/layouts/checkpoint.ts";
import { listDirectory } from "../../lib/layouts/directory.ts";
import { openHuggingFace } from "../../lib/layouts/huggingface/read.ts";
import { findConsolidated, openReference } from "../../lib/layouts/reference/read.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import { openCheckpoint } from "../../lib/convert/open_checkpoint.ts";
import { huggingFaceFiles, type HuggingFaceOptions } from "../../lib/layouts/huggingface/write.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { reshard } from "../../lib/layouts/reshard.ts";
import { areMatricesTied } from "../../lib/layouts/same_values.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { readTensorBytes } from "../../lib/tensor/read_values.ts";
import { type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

/** The real checkpoints. */
export const cases: readonly string[] = [
  "fairseq2-0.3.0/llama3_bf16",
  "fairseq2-0.3.0/llama2_fp16",
  "fairseq2-0.3.0/llama3_fp32_ddp",
  "fairseq2-0.3.0/llama3_bf16_tp2",
  "fairseq2-0.3.0/llama2_fp32_tp4",
  "fairseq2-0.4.5/llama3_bf16",
  "fairseq2-0.4.5/llama3_bf16_tp2",
  "fairseq2-0.8.1/llama3_bf16",
  "fairseq2-0.8.1/llama3_bf16_tied",
  "fairseq2-0.8.1/llama3_bf16_fsdp3",
  "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2",
];

/** The step directory of a case. */
export function stepOf(name: string): string {
  return join(CHECKPOINTS, name, name.startsWith("fairseq2-0.8") ? "checkpoints" : ".", "step_10");
}

/** What others made of a case: a directory of the layout. */
export function expectedOf(name: string, layout: "hf" | "reference"): string {
  return join(CHECKPOINTS, "expected", name, layout);
}

/** A checkpoint and its model. */
export interface Opened {
  readonly checkpoint: Checkpoint;
  readonly model: ModelDescription;
}

const opened = new Map<string, Promise<Opened>>();

/** Opens a real checkpoint. It is opened once: nothing changes what is read. */
export function openCase(name: string): Promise<Opened> {
  let found = opened.get(name);
  if (found === undefined) {
    found = openCheckpoint(stepOf(name)).then((checkpoint) => ({
      checkpoint,
      model: resolveModel(checkpoint).model,
    }));
    opened.set(name, found);
  }
  return found;
}

/** Opens a Hugging Face directory. */
export async function openHuggingFaceAt(path: string): Promise<Opened> {
  const checkpoint = await openHuggingFace(listDirectory(path));
  return { checkpoint, model: checkpoint.model! };
}

/** Opens a directory in the reference layout, or in Meta's. */
export async function openReferenceAt(path: string): Promise<Opened> {
  const listing = listDirectory(path);
  const checkpoint = await openReference(listing, findConsolidated(listing));
  return { checkpoint, model: checkpoint.model! };
}

/**
 * Writes planned files to a directory. In place of the copy engine, whose workers take longer to start than these
 * files take to write, each copy is read in the simplest way.
 */
export function writeFiles(files: readonly OutputFile[], path: string): void {
  for (const file of files) {
    const { name, size, copies } = file;
    const content = new Uint8Array(size);
    const crcs = copies.map(({ at, view }) => {
      const bytes = readTensorBytes(tensorOfView(dtypeOf("uint8"), [view.rows, view.rowBytes], view));
      content.set(bytes, at);
      return crc32(bytes);
    });
    for (const { at, bytes } of completeLiterals(file, crcs)) content.set(bytes, at);
    Deno.mkdirSync(dirname(join(path, name)), { recursive: true });
    Deno.writeFileSync(join(path, name), content);
  }
}

/** Writes a checkpoint as a Hugging Face directory. */
export async function writeHuggingFace(
  { checkpoint, model }: Opened,
  path: string,
  options: Partial<HuggingFaceOptions> = {},
): Promise<void> {
  const tied = await areMatricesTied(wholeParameters({ checkpoint, model }));
  writeFiles(huggingFaceFiles(checkpoint, model, { tied, ...options }).files, path);
}

/** The parameters of a checkpoint, joined. */
export function wholeParameters({ checkpoint, model }: Opened): Parameters {
  return reshard(checkpoint.shards, model, 1)[0]!;
}

/** All that makes a parameter what it is, but for its place in files. */
export function tensorFacts({ dtype, shape }: Tensor, bytes: Uint8Array): string {
  return `${dtype.name} [${shape}] ${bytes.toBase64()}`;
}

/** The parameters of a checkpoint, joined and read, by name. */
export function readParameters(opened: Opened): Map<string, string> {
  const whole = wholeParameters(opened);
  return new Map([...whole].map(([name, tensor]) => [name, tensorFacts(tensor, readTensorBytes(tensor))]));
}
