/** The Hugging Face layout: `config.json`, and `model.safetensors` or several files with an index. */

import { openSource } from "../../bytes/open_source.ts";
import { holdText } from "../../bytes/place.ts";
import { isRemote } from "../../bytes/remote.ts";
import { trimMemory } from "../../copy/memory.ts";
import type { SourceFile } from "../../bytes/source.ts";
import { join } from "../../deps.ts";
import { FileError, FormatError, MismatchError } from "../../error.ts";
import { openSafetensors } from "../../safetensors/safetensors_file.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { isRotaryBuffer } from "../../models/parameter.ts";
import { parseConfigJson } from "./config_json.ts";
import { readConfigText } from "../config_text.ts";
import { canonicalParameters, type Placed, type Words } from "../described_weights.ts";
import type { Listing } from "../directory.ts";
import { GENERATION_CONFIG } from "./generation_config.ts";
import { MAX_INDEX_BYTES, parseWeightIndex } from "./weight_index.ts";

const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** The dtypes of weights that aren't quantized. */
const WEIGHT_DTYPES: ReadonlySet<string> = new Set(["float64", "float32", "float16", "bfloat16"]);

/** The endings of names that quantized weights have beside their own (GPTQ, AWQ, bitsandbytes, compressed-tensors). */
const QUANTIZED =
  /\.(?:qweight|qzeros|scales|g_idx|SCB|weight_(?:scale|scale_inv|packed|shape|zero_point)|weight\..+|input_scale)$/;

/** What transformers has written weights to besides safetensors, in the order of preference. */
const OTHER_WEIGHTS = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

const WORDS: Words = {
  where: "in the Hugging Face layout",
  description: CONFIG,
  layers: "num_hidden_layers",
  tied: "tie_word_embeddings",
};

/**
 * The file that shows that a directory is in the Hugging Face layout, or would be if it were whole: one with weights, or
 * the index.
 */
export function findHuggingFace({ files }: Listing): string | undefined {
  const named = [WEIGHTS, INDEX].find((name) => files.has(name));
  if (named !== undefined || !files.has(CONFIG)) return named;
  return [...files].sort().find((name) => name.endsWith(".safetensors") || OTHER_WEIGHTS.includes(name));
}

/**
 * Opens a Hugging Face directory.
 *
 * @returns The checkpoint. Its parameters are those of fairseq2's state dicts, in their order.
 * @throws {FileError} If a file is missing.
 * @throws {FormatError} If a file isn't what it must be, or the model is one that can't be converted.
 * @throws {MismatchError} If the weights aren't those that `config.json` speaks of.
 */
export async function openHuggingFace(listing: Listing): Promise<Checkpoint> {
  const { path, files } = listing;
  if (!files.has(CONFIG)) {
    throw new FileError(
      `${path}: holds safetensors files but no ${CONFIG}, which says what model they are of`,
    );
  }
  if (isRemote(path) && files.has(GENERATION_CONFIG)) await holdText(join(path, GENERATION_CONFIG));
  const config = join(path, CONFIG);
  const { model, notes: configNotes } = parseConfigJson(await readConfigText(config), config);
  const { tensors, sources } = await readWeights(listing);
  const notes = [...configNotes];
  for (const [name, placed] of tensors) checkNotQuantized(name, placed);
  const parameters = canonicalParameters(path, "huggingface", tensors, model, WORDS, notes);
  return {
    path,
    kind: "Hugging Face",
    naming: "huggingface",
    shards: [{ parameters, path }],
    sources,
    known: [],
    model,
    describedBy: config,
    notes,
  };
}

/** The tensors in the files of a directory, and the files. */
export interface Weights {
  /** The tensors by the names that they have there. */
  readonly tensors: ReadonlyMap<string, Placed>;
  readonly sources: readonly SourceFile[];
}

/**
 * Reads the tables of a directory's safetensors files, of whatever model: one, or those that an index names.
 *
 * @throws {FileError} If a file is missing.
 * @throws {FormatError} If a file isn't what it must be, or what the index says.
 */
export async function readWeights({ path, files }: Listing): Promise<Weights> {
  if (files.has(WEIGHTS) && files.has(INDEX)) {
    throw new FileError(`${path}: holds both ${WEIGHTS} and ${INDEX}; move away the one that isn't meant`);
  }
  if (files.has(WEIGHTS)) return await readFiles(path, [WEIGHTS], undefined);
  if (!files.has(INDEX)) {
    const other = OTHER_WEIGHTS.find((name) => files.has(name));
    throw new FileError(
      other === undefined
        ? `${path}: holds neither ${WEIGHTS} nor ${INDEX}`
        : `${path}: holds ${other}, which isn't read; save the model as safetensors`,
    );
  }
  const index = join(path, INDEX);
  const map = parseWeightIndex(await readConfigText(index, MAX_INDEX_BYTES), index);
  const names = [...new Set(map.values())].sort();
  const missing = names.find((name) => !files.has(name));
  if (missing !== undefined) {
    throw new FileError(`${path}: ${missing} is missing, which ${INDEX} names; all files are needed`);
  }
  return await readFiles(path, names, map);
}

/** Reads files, whose tensors must be those that the index says, where there is one. */
async function readFiles(
  directory: string,
  names: readonly string[],
  index: ReadonlyMap<string, string> | undefined,
): Promise<Weights> {
  const tensors = new Map<string, Placed>();
  const sources: SourceFile[] = [];
  for (const fileName of names) {
    using source = openSource(join(directory, fileName));
    const file = await openSafetensors(source);
    sources.push(source.identity);
    for (const [name, tensor] of file.tensors) {
      const said = index?.get(name);
      if (index !== undefined && said !== fileName) {
        throw new FormatError(
          `${source.path}: ${name}: ${INDEX} ${
            said === undefined ? "doesn't name it" : `says that it is in ${said}`
          }; ` +
            "the files are of different models",
        );
      }
      tensors.set(name, { tensor, path: source.path });
    }
    trimMemory();
  }
  for (const [name, fileName] of index ?? []) {
    if (!tensors.has(name)) {
      throw new FormatError(
        `${
          join(directory, fileName)
        }: lacks ${name}, which ${INDEX} says that it has; the files are of different models`,
      );
    }
  }
  return { tensors, sources };
}

/** Refuses tensors of quantized weights, of any naming. */
function checkNotQuantized(name: string, { tensor: { dtype }, path }: Placed): void {
  if (isRotaryBuffer("huggingface", name) || WEIGHT_DTYPES.has(dtype.name) && !QUANTIZED.test(name)) return;
  throw new MismatchError(
    `${path}: ${name}: is of quantized weights (${dtype.name}); convert the model that they were made of`,
  );
}
