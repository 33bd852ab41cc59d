/** What can be compared: a model in the canonical form, or the tensors of any files by their names. */

import { trimMemory } from "../copy/memory.ts";
import type { SourceFile } from "../bytes/source.ts";
import { isDirectory } from "../bytes/file_system.ts";
import { openSource } from "../bytes/open_source.ts";
import { openPlace } from "../bytes/place.ts";
import type { OpenSource } from "../bytes/source.ts";
import { CheckpointError, FileError, FormatError, OptionError } from "../error.ts";
import { ConfigError } from "../models/config_error.ts";
import type { ModelDescription } from "../models/model_description.ts";
import type { Target } from "../convert/target.ts";
import { type TrainingState, trainingState, whyNoModel } from "../layouts/fairseq2/training_state.ts";
import { findParameter } from "../models/families.ts";
import { formatName, isRotaryBuffer, stripWrappers } from "../models/parameter.ts";
import type { PickleValue } from "../pickle/mod.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { openTorchFile, type TorchOpener } from "../torch/torch_file.ts";
import { fileTensors, isTooExpanded, MAX_EXPANDED_BYTES } from "./file_tensors.ts";
import { relativePath } from "./relative_path.ts";
import { findNearWeightFiles } from "./weight_files.ts";
import { isUnknownFamily, openModel, wholeModel } from "./whole_model.ts";

/** One side of a comparison. */
export interface Comparable {
  readonly path: string;
  /** What it is, for people. */
  readonly kind: string;
  /** Whether it is a model of a known family, with canonical names and rows of q and k in the canonical order. */
  readonly isModel: boolean;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly sources: readonly SourceFile[];
  /** What a model's configuration says of it. */
  readonly model?: ModelDescription;
  /** What it is instead of a model, if a training saved it beside one. */
  readonly state?: TrainingState;
  readonly notes: readonly string[];
}

/**
 * Opens something to compare: as a model if it is one, whatever its layout and in how many shards. No tensor is read.
 *
 * `from` is the layout where a directory holds checkpoints of several; a file is what it is.
 *
 * @throws {FileError} If there is nothing to compare, or a part of a model is missing.
 * @throws {FormatError} If a file is damaged.
 * @throws {MismatchError} If parts of a model don't fit together.
 * @throws {OptionError} If a directory holds several checkpoints, or none of the layout.
 */
export async function openComparable(path: string, from?: Target): Promise<Comparable> {
  path = await openPlace(path);
  let problem: CheckpointError;
  try {
    const checkpoint = await openModel(path, { from: isDirectory(path) ? from : undefined });
    const { parameters, resolved, differingReplicas } = await wholeModel(checkpoint);
    return {
      path,
      kind: checkpoint.kind,
      isModel: true,
      tensors: parameters,
      sources: checkpoint.sources,
      ...(resolved === undefined ? {} : { model: resolved.model }),
      notes: differingReplicas.map((name) =>
        `${path}: ${name} differs between the shards, though each should have the same copy; the first one counts`
      ),
    };
  } catch (error) {
    // Which of several checkpoints is meant is for the caller to say.
    if (!(error instanceof CheckpointError) || error instanceof OptionError) throw error;
    problem = error;
  }
  if (isDirectory(path)) {
    const others = await openDirectory(path, problem);
    if (isBrokenModel(others.tensors, problem)) throw problem;
    return others;
  }
  const file = await openFile(path);
  const parameters = referenceForm(file.tensors);
  return parameters === undefined ? file : { ...file, kind: "reference", isModel: true, tensors: parameters };
}

/** Opens something to compare by the names that its tensors have in the files, whatever it is. */
export async function openByName(path: string): Promise<Comparable> {
  path = await openPlace(path);
  return isDirectory(path) ? await openDirectory(path) : await openFile(path);
}

async function openFile(path: string): Promise<Comparable> {
  using source = openSource(path);
  let root: PickleValue | undefined;
  try {
    const tensors = await readTensors(source, async (source) => {
      const file = await openTorchFile(source);
      root = file.root;
      return file;
    });
    return byName(path, tensors, [source.identity], trainingState(root, path));
  } catch (error) {
    throw root === undefined ? await whyNoModel(path, error) : error;
  }
}

async function openDirectory(path: string, problem?: CheckpointError): Promise<Comparable> {
  const files = findNearWeightFiles(path);
  if (files.length === 0) throw problem ?? new FileError(`${path}: holds no files with tensors; name a file`);
  const tensors = new Map<string, Tensor>();
  const sources: SourceFile[] = [];
  const states = new Map<string | undefined, TrainingState | undefined>();
  for (const file of files) {
    const opened = await openFile(file);
    states.set(opened.state?.what, opened.state);
    sources.push(...opened.sources);
    for (const [name, tensor] of opened.tensors) {
      // Several files are told apart only where they have to be.
      tensors.set(tensors.has(name) ? `${relativePath(path, file)}/${name}` : name, tensor);
    }
    trimMemory();
  }
  const [state] = states.values();
  return byName(path, tensors, sources, states.size === 1 ? state : undefined);
}

function byName(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  sources: readonly SourceFile[],
  state: TrainingState | undefined,
): Comparable {
  const kind = state === undefined ? "tensors by name" : `${state.what}, tensors by name`;
  return {
    path,
    kind,
    isModel: false,
    tensors,
    sources,
    ...(state === undefined ? {} : { state }),
    notes: [],
  };
}

/**
 * Whether a directory that couldn't be opened as a model is one all the same, of which something is missing or
 * wrong. Models of other families have the same names in the Hugging Face layout.
 */
export function isBrokenModel(tensors: ReadonlyMap<string, Tensor>, problem: CheckpointError): boolean {
  if (isUnknownFamily(problem)) return false;
  for (const key of tensors.keys()) {
    const name = stripWrappers(key.replace(/^_?model\.(?=decoder|final_proj)/, ""));
    if (findParameter("fairseq2", name) !== undefined || findParameter("reference", name) !== undefined) {
      return true;
    }
    if (findParameter("huggingface", name) !== undefined || findParameter("gguf", name) !== undefined) {
      return !(problem instanceof ConfigError);
    }
  }
  return false;
}

async function readTensors(
  source: OpenSource,
  openTorch: TorchOpener,
): Promise<ReadonlyMap<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [name, { tensor, kind }] of await fileTensors(source, openTorch)) {
    if (tensor === undefined) {
      throw new FormatError(`${source.path}: ${name}: is no plain tensor (${kind}), which can't be compared`);
    }
    if (isTooExpanded(tensor)) {
      throw new FormatError(
        `${source.path}: ${name}: repeats the items of its storage (torch's expand) to more than ` +
          `${MAX_EXPANDED_BYTES} bytes; save it with tensor.clone()`,
      );
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

/**
 * A model in one file of the reference layout, by canonical names. One of Hugging Face's needs a `config.json` to know
 * its heads, and fairseq2's is a checkpoint by itself.
 */
function referenceForm(tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> | undefined {
  const parameters = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    if (isRotaryBuffer("reference", name)) continue;
    const parameter = findParameter("reference", name);
    if (parameter === undefined) return undefined;
    parameters.set(formatName("fairseq2", parameter), tensor);
  }
  return parameters.size === 0 ? undefined : parameters;
}
