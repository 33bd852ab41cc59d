/**
 * Opens a file as the program does, and prints what that took: `{"milliseconds", "bytes"}`, where the bytes are by how much the most that the
 * process had in memory is above what it had before. Linux only.
 *
 * ```sh
 * deno run -A tests/threats/_memory_main.ts torch|safetensors|gguf|model.yaml|index PATH
 * ```
 */

import { FileSource } from "../../lib/bytes/source.ts";
import { collectGarbage } from "../../lib/cli/collect_garbage.ts";
import { collectWith } from "../../lib/copy/memory.ts";
import { CheckpointError } from "../../lib/error.ts";
import { readGguf } from "../../lib/gguf/read.ts";
import { readConfigTextNow } from "../../lib/layouts/config_text.ts";
import { MAX_INDEX_BYTES, parseWeightIndex } from "../../lib/layouts/huggingface/weight_index.ts";
import { parseModelYaml } from "../../lib/layouts/fairseq2/model_yaml.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { fixturePath } from "../torch/_fixtures.ts";

async function open(kind: string, path: string): Promise<unknown> {
  using source = FileSource.open(path);
  switch (kind) {
    case "torch":
      return await openTorchFile(source);
    case "safetensors":
      return await openSafetensors(source);
    case "gguf":
      return await readGguf(source);
    case "model.yaml":
      return parseModelYaml(Deno.readTextFileSync(path));
    default:
      return parseWeightIndex(readConfigTextNow(path, MAX_INDEX_BYTES), path);
  }
}

function status(field: string): number {
  const text = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)![1]);
}

const [kind, path] = Deno.args as [string, string];
collectWith(collectGarbage);
// So that loading the program doesn't count.
await open("torch", fixturePath("2.13.0/plain/model.pt"));
await import("../../lib/torch/zip_directory.ts");
await (await import("../../lib/deps.ts")).loadZip();
Deno.writeTextFileSync("/proc/self/clear_refs", "5"); // The most so far becomes what is in use now.
const before = status("VmRSS");
let answer = "read";
let opened: unknown;
try {
  opened = await open(kind, path);
} catch (error) {
  if (!(error instanceof CheckpointError)) throw error;
  answer = error.message;
}
console.log(JSON.stringify({ answer, bytes: status("VmHWM") - before, kept: opened !== undefined }));
