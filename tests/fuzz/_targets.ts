/**
 * What is fuzzed: each reader, with the real files that it is for.
 *
 * A target throws what the reader throws. Whatever is no error of ckpt's is a bug, and so is what the target itself
 * finds to be wrong with a result.
 *
 * @module
 */

import { llama } from "../../lib/models/llama/family.ts";
import { parseModelYaml } from "../../lib/layouts/fairseq2/model_yaml.ts";
import { parseConfigJson } from "../../lib/layouts/huggingface/config_json.ts";
import { describeReference } from "../../lib/layouts/reference/params_json.ts";
import { parseWeightIndex } from "../../lib/layouts/huggingface/weight_index.ts";
import { convertTokenizer } from "../../lib/tokenizers/convert_tokenizer.ts";
import { listGlobals, type PickleValue, readPickle, writePickle } from "../../lib/pickle/mod.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import type { Tensor } from "../../lib/tensor/tensor.ts";
import { layoutGguf } from "../../lib/gguf/layout.ts";
import { type GgufFile, readGguf } from "../../lib/gguf/read.ts";
import { numel, spannedItems } from "../../lib/tensor/tensor.ts";
import { openTorchFile, type TorchFile } from "../../lib/torch/torch_file.ts";
import { readTorchDirectory } from "../../lib/torch/torch_directory.ts";
import { readZipDirectory } from "../../lib/torch/zip_directory.ts";
import { bytes, viewBytes } from "../../lib/bytes/view.ts";
import type { Random } from "../copy/_random.ts";
import { entries, realPickles, refused } from "../pickle/corpus.ts";
import { memorySource } from "../torch/_zip.ts";
import { visitTensors } from "../_listing.ts";
import { mutate } from "./_mutator.ts";
import { fixtures } from "./_seeds.ts";
import { mutateTorch, PICKLE_WORDS, type TorchSeed, torchSeed } from "./_torch_mutator.ts";

/** Something to fuzz. */
export interface Target {
  /** Its name. */
  readonly name: string;
  /** Its share of all mutants: so many of the sum of all targets' shares. */
  readonly share: number;
  /** Makes a mutant. */
  make(random: Random): Uint8Array;
  /** Reads it. */
  run(mutant: Uint8Array): void | Promise<void>;
}

/** What must hold of a result doesn't. */
export class Violation extends Error {}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Violation(what);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function words(text: string): Uint8Array[] {
  return text.split(" ").map((word) => encoder.encode(word.replaceAll("␠", " ").replaceAll("␤", "\n")));
}

/** A target that mutates some seeds blindly. */
function plain(
  name: string,
  share: number,
  seeds: readonly Uint8Array[],
  wordList: readonly Uint8Array[],
  run: Target["run"],
): Target {
  if (seeds.length === 0) throw new Error(`There is nothing to fuzz ${name} with`);
  return {
    name,
    share,
    make: (random) => mutate(random, random.pick(seeds), { others: [random.pick(seeds)], words: wordList }),
    run,
  };
}

function runPickle(mutant: Uint8Array): void {
  let value: PickleValue;
  try {
    value = readPickle(mutant);
  } catch (error) {
    demand(listGlobals(mutant).error !== undefined, "listGlobals() reads what readPickle() refuses");
    throw error;
  }
  demand(listGlobals(mutant).error === undefined, "listGlobals() refuses what readPickle() reads");
  try {
    writePickle(value);
  } catch (error) {
    const known = error instanceof TypeError || error instanceof RangeError;
    if (!known || !error.message.startsWith("Cannot write pickle: ")) throw error;
  }
}

/** Checks that a tensor lies within its storage, and the storage within the file. */
function checkTensor(tensor: Tensor, fileSize: number): void {
  const { view } = tensor.storage;
  demand(view.op === "bytes" && view.offset + viewBytes(view) <= fileSize, "a storage ends past the file");
  const end = spannedItems(tensor) * tensor.dtype.itemBytes;
  demand(numel(tensor.shape) === 0 || end <= viewBytes(view), "a tensor ends past its storage");
}

/**
 * zip.js looks for the directory right before the plain end record, where torch has 76 bytes of zip64. If the first entry
 * is as long as that, it takes the second one for the first, and misses the last.
 */
const MISTAKEN_NAME_BYTES = 76 - 46;

/** Opens a mutant of a torch file, and looks at all tensors. */
export async function runTorch(mutant: Uint8Array): Promise<TorchFile> {
  const source = memorySource(mutant);
  const quick = mutant.length >= 98 ? await readTorchDirectory(source) : undefined;
  if (quick !== undefined) {
    let general: string;
    try {
      general = JSON.stringify(await readZipDirectory(source));
    } catch (error) {
      general = String(error);
    }
    const isMistaken = general.includes("central directory header not found") &&
      encoder.encode(quick[0]!.name).length === MISTAKEN_NAME_BYTES;
    const isSame = isMistaken || general === JSON.stringify(quick);
    // What only zip.js looks for may be refused a moment later.
    const isRead = !isSame && await openTorchFile(source).then(() => true, () => false);
    demand(!isRead, `zip.js finds something else than readTorchDirectory(): ${general}`);
  }
  const file = await openTorchFile(source);
  visitTensors(file, (tensor) => checkTensor(tensor, mutant.length));
  return file;
}

async function runSafetensors(mutant: Uint8Array): Promise<void> {
  const { tensors } = await openSafetensors(memorySource(mutant));
  let sum = 0;
  for (const tensor of tensors.values()) {
    checkTensor(tensor, mutant.length);
    sum += viewBytes(tensor.storage.view);
  }
  const header = Number(new DataView(mutant.buffer, mutant.byteOffset).getBigUint64(0, true));
  demand(8 + header + sum === mutant.length, "tensors don't cover the file");
}

async function runGguf(mutant: Uint8Array): Promise<void> {
  const file = await readGguf(memorySource(mutant));
  for (const { offset, bytes } of file.tensors) {
    demand(offset + (bytes ?? 0) <= mutant.length, "a tensor ends past the file");
    demand(offset % file.alignment === 0, "a tensor isn't aligned");
  }
  // Tables of files that llama.cpp reads can be written again; a table that is padded to its alignment may be large.
  const isKnown = file.tensors.every(({ bytes }) => bytes !== undefined);
  if (!isKnown || file.alignment > mutant.length) return;
  const again = tableOf(file);
  const reread = await readGguf(memorySource(again));
  demand(
    JSON.stringify(reread.tensors) === JSON.stringify(file.tensors),
    "tensors move when they are written",
  );
  demand(again.toHex() === tableOf(reread).toHex(), "a table that was written is read as another");
}

/** A file's table, with zeros for its tensors. */
function tableOf({ path, metadata, tensors }: GgufFile): Uint8Array {
  const { literals, size } = layoutGguf(
    path,
    metadata,
    tensors.map((tensor) => ({ ...tensor, data: bytes(path, tensor.offset, tensor.bytes!) })),
  );
  const file = new Uint8Array(size);
  file.set(literals[0]!.bytes);
  return file;
}

/** The texts of a fixture in JSON that are values of a key. */
function textsIn(path: RegExp, isText: (text: string) => boolean): Uint8Array[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string" && isText(value)) found.add(value);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  for (const { bytes } of fixtures(path)) visit(JSON.parse(decoder.decode(bytes)));
  return [...found].slice(0, 200).map((text) => encoder.encode(text));
}

const bytesOf = (path: RegExp) => fixtures(path).map(({ bytes }) => bytes);

const JSON_WORDS = words(
  '{ } [ ] : , " \\ \\u0000 \\ud800 {"a":1} [[[[ null true "__proto__":1, -0 1e999 ␤ ␠',
);
const YAML_WORDS = words(
  ": ␤ ␤␠␠ - ? | > & * ! % @ ` # {} [] &a *a << !!python/object:os.system __proto__: --- ... _set_: _del_: ␤-␠ ' \"",
);

/** Seeds of torch files. */
export function torchSeeds(pattern: RegExp): TorchSeed[] {
  return fixtures(pattern).map(({ bytes }) => torchSeed(bytes));
}

/** The targets that need no files. */
export function memoryTargets(): Target[] {
  const archives = torchSeeds(/^\/(torch\/2|checkpoints\/(?!expected)|fairseq2_native).*\.(pt|pth)$/);
  const legacy = torchSeeds(/^\/torch_legacy\/.*\.(pt|pth)$/);
  const pickles = [...entries.flatMap(({ pickles }) => pickles), ...realPickles, ...refused]
    .map(({ bytes }) => bytes).filter(({ length }) => length <= 4096);
  const tokenizers = fixtures(/\/tokenizer\/.*\.model$/);
  const observed = {
    family: llama,
    kinds: new Set(llama.parameters.map(({ names }) => names.fairseq2)),
    qDim: 32,
    dim: 32,
    layers: 2,
    kvDim: 16,
    intermediateSize: 128,
    vocabSize: 50,
    embeddingShardDim: undefined,
  } as const;
  return [
    plain("pickle", 45, pickles, PICKLE_WORDS, runPickle),
    {
      name: "torch",
      share: 15,
      make: (random) => mutateTorch(random, archives),
      run: async (mutant) => void await runTorch(mutant),
    },
    {
      name: "legacy",
      share: 6,
      make: (random) => mutateTorch(random, legacy),
      run: async (mutant) => void await runTorch(mutant),
    },
    plain(
      "safetensors",
      15,
      bytesOf(/\.safetensors$/).filter(({ length }) => length < 8000),
      [...JSON_WORDS, ...words('"dtype" "shape" "data_offsets" "F32" "BF16" "__metadata__"')],
      runSafetensors,
    ),
    plain("gguf", 8, bytesOf(/\.gguf$/), words("GGUF general.alignment split.no llama"), runGguf),
    plain(
      "model.yaml",
      8,
      [
        ...bytesOf(/model\.yaml$/),
        ...textsIn(/^\/llama\/fairseq2_.*\.json$/, (text) => /model_family|model_type/.test(text)),
      ],
      YAML_WORDS,
      (mutant) => void parseModelYaml(decoder.decode(mutant)),
    ),
    plain(
      "config.json",
      5,
      bytesOf(/config\.json$/),
      JSON_WORDS,
      (mutant) => void parseConfigJson(decoder.decode(mutant)),
    ),
    plain(
      "params.json",
      5,
      bytesOf(/params\.json$/),
      JSON_WORDS,
      (mutant) => void describeReference(decoder.decode(mutant), "params.json", 1, () => observed),
    ),
    plain(
      "index.json",
      3,
      bytesOf(/index\.json$/),
      JSON_WORDS,
      (mutant) => void parseWeightIndex(decoder.decode(mutant), "index.json"),
    ),
    {
      name: "tokenizer",
      share: 3,
      make: (random) => {
        const { bytes } = random.pick(tokenizers);
        return mutate(random, bytes, { others: [random.pick(tokenizers).bytes] });
      },
      run(mutant) {
        const version = mutant[0] === 0x0a ? "2" : "3";
        convertTokenizer(mutant, { path: "tokenizer.model", version, instruct: false });
      },
    },
  ];
}
