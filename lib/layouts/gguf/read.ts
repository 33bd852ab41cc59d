/** GGUF files: the metadata describe the model, and quantized weights are read as the numbers that they stand for. */

import { bytes, castTypes, type NumberFormat } from "../../bytes/view.ts";
import { openSource } from "../../bytes/open_source.ts";
import type { SourceFile } from "../../bytes/source.ts";
import { openRowReader } from "../../copy/remote_runner.ts";
import { trimMemory } from "../../copy/memory.ts";
import { join } from "../../deps.ts";
import { FormatError, MismatchError } from "../../error.ts";
import { MAX_ENTRIES } from "../../gguf/limits.ts";
import { type GgufTensorInfo, readGguf } from "../../gguf/read.ts";
import type { GgufMetadata } from "../../gguf/value.ts";
import { ConfigError } from "../../models/config_error.ts";
import { ConfigFields, show } from "../../models/config_fields.ts";
import { families } from "../../models/families.ts";
import { EMBEDDING, type Family, PROJECTION } from "../../models/family.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { dtypeOf } from "../../tensor/dtype.ts";
import { numel, type Tensor, tensorOfView } from "../../tensor/tensor.ts";
import { castTensor, castView } from "../cast.ts";
import type { Checkpoint, Parameters } from "../checkpoint.ts";
import { canonicalParameters, type Placed, type Words } from "../described_weights.ts";
import type { Listing } from "../directory.ts";
import { haveSameBytes } from "../same_values.ts";
import { checkTypes, fieldsOf, generalOf, ROPE_FACTORS } from "./metadata.ts";
import { checkPart, checkTensorCount } from "./files.ts";
import { storedTensor } from "./stored_tensor.ts";

/** A file's metadata, and all tensors of the model. */
interface Opened {
  readonly path: string;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, { readonly info: GgufTensorInfo; readonly path: string }>;
  readonly sources: readonly SourceFile[];
}

/**
 * Opens a model in GGUF.
 *
 * @param names Its files, in order.
 * @returns The checkpoint. Quantized matrices are float32; vectors have the dtype of the matrices again where that is
 * the same numbers.
 * @throws {FormatError} If a file isn't what it must be, or the model is one that can't be converted.
 * @throws {MismatchError} If the tensors aren't those that the metadata speak of.
 * @throws {FileError} If a file can't be read.
 */
export async function openGguf({ path: directory }: Listing, names: readonly string[]): Promise<Checkpoint> {
  const opened = await openFiles(directory, names);
  const { path, metadata, tensors, sources } = opened;
  const { family, all, architecture } = familiesOfFile(opened);
  const embedding = tensors.get(nameOf(family, EMBEDDING));
  if (embedding === undefined) {
    throw new MismatchError(
      `${path}: has ${tensors.size === 0 ? "no tensors, only metadata" : `no ${nameOf(family, EMBEDDING)}`}`,
    );
  }
  const tied = !tensors.has(nameOf(family, PROJECTION));
  if (tied && family.gguf.isNeverTied) {
    throw new MismatchError(
      `${path}: has no ${nameOf(family, PROJECTION)}, which ${architecture} never goes without`,
    );
  }
  checkVocabulary(path, metadata, `${architecture}.vocab_size`, embedding.info.shape[0] ?? 0);
  const fields = new ConfigFields(path, architecture, fieldsOf(metadata, architecture));
  const factors = family.gguf.hasRopeFactors ? tensors.get(ROPE_FACTORS) : undefined;
  const read = family.gguf.read(fields, {
    vocabSize: embedding.info.shape[0] ?? 0,
    tied,
    ...(factors !== undefined && { ropeFactors: await readFactors(factors.info, factors.path) }),
  }, architecture);
  checkTypes(path, metadata, architecture);
  const model: ModelDescription = {
    ...read,
    ...tokensOf(path, metadata, read.vocabSize),
    family: family.name,
  };
  const notes: string[] = [];
  const placed = new Map<string, Placed>();
  for (const [name, { info, path }] of tensors) {
    if (name === ROPE_FACTORS && factors !== undefined) continue;
    placed.set(name, { tensor: tensorOf(info, path), path });
  }
  const parameters = canonicalParameters(path, "gguf", placed, model, { ...WORDS, description: path }, notes);
  return {
    path: directory,
    kind: "GGUF",
    naming: "gguf",
    shards: [{ parameters: await narrowed(parameters, notes), path }],
    sources,
    known: [],
    model,
    families: all.map(({ name }) => name),
    describedBy: path,
    ...tokenizerOf(metadata),
    general: generalOf(metadata),
    ...inconvertible(opened),
    // What llama.cpp computes otherwise than fairseq2 goes for what is read, too.
    notes: [...notes, ...family.gguf.notes?.(model) ?? [], ...quantizedNotes(opened)],
  };
}

const WORDS: Omit<Words, "description"> = {
  where: "in GGUF",
  layers: "block_count",
  tied: "that it has no output.weight",
};

async function openFiles(directory: string, names: readonly string[]): Promise<Opened> {
  const tensors = new Map<string, { info: GgufTensorInfo; path: string }>();
  const sources: SourceFile[] = [];
  let metadata: GgufMetadata | undefined;
  for (const [index, name] of names.entries()) {
    const path = join(directory, name);
    using source = openSource(path);
    const file = await readGguf(source);
    checkPart(path, file.metadata, index, names.length);
    metadata ??= file.metadata;
    sources.push(source.identity);
    for (const info of file.tensors) {
      const before = tensors.get(info.name);
      if (before !== undefined) throw new FormatError(`${path}: ${info.name}: is in ${before.path}, too`);
      tensors.set(info.name, { info, path });
    }
    if (tensors.size > MAX_ENTRIES) {
      throw new FormatError(
        `${path}: makes more than ${MAX_ENTRIES} tensors of all parts, which ckpt doesn't read`,
      );
    }
    trimMemory();
  }
  if (names.length > 1) checkTensorCount(join(directory, names[0]!), metadata!, tensors.size);
  return { path: join(directory, names[0]!), metadata: metadata!, tensors, sources };
}

/** The key that says what is in a file; a model where there is none. */
export const TYPE_KEY = "general.type";

/** The key that says which of llama.cpp's codes computes a model. */
export const ARCHITECTURE_KEY = "general.architecture";

/** The families whose models a file's code computes, and the one that is taken where none is named. */
function familiesOfFile(
  { path, metadata }: Opened,
): { family: Family; all: readonly Family[]; architecture: string } {
  const said = (key: string) => {
    const value = metadata.get(key);
    if (value === undefined || value.type === "string") return value?.value;
    throw new ConfigError(
      path,
      key,
      `expected a text, got ${value.type === "array" ? "an array" : value.value}`,
    );
  };
  const type = said(TYPE_KEY) ?? "model";
  if (type !== "model") {
    throw new ConfigError(path, TYPE_KEY, `is ${show(type)}, and only a "model" can be converted`);
  }
  const architecture = said(ARCHITECTURE_KEY);
  if (architecture === undefined) {
    throw new ConfigError(path, ARCHITECTURE_KEY, "missing, so what model it is isn't known");
  }
  const all = families.filter(({ gguf }) => gguf.architectures.includes(architecture));
  const [family] = all;
  if (family !== undefined) return { family, all, architecture };
  const known = [...new Set(families.flatMap(({ gguf }) => gguf.architectures))].map(show).join(", ");
  throw new ConfigError(
    path,
    ARCHITECTURE_KEY,
    `is ${show(architecture)}, and only ${known} can be converted`,
  );
}

function nameOf(family: Family, canonical: string): string {
  return family.parameters.find(({ names }) => names.fairseq2 === canonical)!.names.gguf;
}

const TOKENS_KEY = "tokenizer.ggml.tokens";

/** Checks that there is a token for each row of the embedding, as llama.cpp demands. */
function checkVocabulary(path: string, metadata: GgufMetadata, key: string, rows: number): void {
  const [tokens, size] = [metadata.get(TOKENS_KEY), metadata.get(key)];
  const [by, count] = tokens?.type === "array"
    ? [`${TOKENS_KEY} has`, tokens.values.length]
    : [`${key} is`, size?.type === "uint32" ? size.value : rows];
  if (count === rows) return;
  throw new MismatchError(`${path}: ${by} ${count}, but the embedding has ${rows} rows`);
}

/** The tokens that metadata name. Ids that have no row are passed over, as llama.cpp does: older files say -1 for none. */
function tokensOf(path: string, metadata: GgufMetadata, vocabSize: number): SpecialTokens {
  const id = (name: string) => {
    const key = `tokenizer.ggml.${name}_token_id`;
    const value = metadata.get(key);
    if (value === undefined) return undefined;
    if (value.type === "uint32") return value.value < vocabSize ? value.value : undefined;
    throw new ConfigError(path, key, `is a ${value.type}, where llama.cpp takes a uint32`);
  };
  const [bosId, padId] = [id("bos"), id("padding")];
  const eosIds = [...new Set(["eos", "eot", "eom"].map(id))].filter((id) => id !== undefined);
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosIds.length > 0 && { eosIds }),
    ...(padId !== undefined && { padId }),
  };
}

/** The keys of the tokenizer, where there is one. */
function tokenizerOf(metadata: GgufMetadata): Pick<Checkpoint, "tokenizer"> {
  if (!metadata.has(TOKENS_KEY)) return {};
  return { tokenizer: new Map([...metadata].filter(([key]) => key.startsWith("tokenizer."))) };
}

/** A tensor of numbers that are what they stand for; of quantizations that no cast undoes, as it lies there. */
function tensorOf(info: GgufTensorInfo, path: string): Tensor {
  const { name, type, shape, offset, bytes: size } = info;
  const { format } = type;
  if (format === undefined || size === undefined) {
    const stored = storedTensor(info, path);
    if (stored !== undefined) return stored;
    throw new FormatError(`${path}: ${name}: is of ${type.name}, which ckpt doesn't know`);
  }
  if (shape.length < 2 && !isFloat(format)) {
    throw new FormatError(
      `${path}: ${name}: is a vector of ${type.name}, with which llama.cpp can't compute`,
    );
  }
  const rows = shape.length < 2 ? 1 : numel(shape.slice(0, -1));
  const view = bytes(path, offset, rows, rows === 0 ? 0 : size / rows);
  const dtype = isFloat(format) ? format : "float32";
  return tensorOfView(dtypeOf(dtype), shape, castView(view, format, dtype, `${path}: ${name}`));
}

/** Why a model can't be converted: that a quantization can't be undone. */
function inconvertible({ tensors }: Opened): Pick<Checkpoint, "inconvertible"> {
  for (const [name, { info: { type }, path }] of tensors) {
    if (type.format !== undefined) continue;
    return {
      inconvertible:
        `${path}: ${name}: is ${type.name}, which can't be converted; convert the model that it was made of`,
    };
  }
  return {};
}

function isFloat(format: NumberFormat): format is typeof castTypes[number] {
  return castTypes.some((type) => type === format);
}

/** The quantizations that were undone. */
function quantizedNotes({ tensors }: Opened): string[] {
  const counts = new Map<string, number>();
  for (const { info: { type } } of tensors.values()) {
    if (type.format === undefined || isFloat(type.format)) continue;
    counts.set(type.name, (counts.get(type.name) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  const kinds = [...counts].map(([name, count]) => `${count} of ${name}`).join(", ");
  return [`quantized tensors are carried over as the float32 numbers that they stand for: ${kinds}`];
}

/** The factors of RoPE's frequencies, few as they are. */
async function readFactors(
  { name, type, shape, offset, bytes: size }: GgufTensorInfo,
  path: string,
): Promise<Float32Array> {
  if (type.format !== "float32" || shape.length !== 1 || size === undefined || size > MAX_FACTOR_BYTES) {
    throw new FormatError(`${path}: ${name}: expected a float32 for each pair of a head's rows`);
  }
  const factors = new Float32Array(size / 4);
  using reader = openRowReader(size);
  await reader.fill(bytes(path, offset, 1, size), 0, 1, new Uint8Array(factors.buffer));
  return factors;
}

/** A head has 256 rows at most in what there is; this is for 32 times as many. */
const MAX_FACTOR_BYTES = 16384;

/**
 * Parameters with the vectors in the dtype of the matrices, where these have one and all vectors lose nothing by it: GGUF
 * has vectors in float32 alone.
 */
async function narrowed(parameters: Parameters, notes: string[]): Promise<Parameters> {
  const entries = [...parameters];
  const dtypes = new Set(
    entries.filter(([, { shape }]) => shape.length > 1).map(([, { dtype }]) => dtype.name),
  );
  const to = castTypes.find((type) => dtypes.size === 1 && dtypes.has(type));
  if (to === undefined || to === "float32") return parameters;
  const vectors = entries.filter(([, { shape, dtype }]) => shape.length < 2 && dtype.name === "float32");
  const narrow = new Map<string, Tensor>();
  for (const [name, tensor] of vectors) {
    const made = castTensor(tensor, to, name);
    if (!await haveSameBytes(castTensor(made, "float32", name), tensor)) {
      notes.push(`vectors stay float32, since ${name} has numbers that ${to} hasn't got`);
      return parameters;
    }
    narrow.set(name, made);
  }
  return new Map(entries.map(([name, tensor]) => [name, narrow.get(name) ?? tensor]));
}
