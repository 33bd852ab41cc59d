/** What a training saves beside its model, to go on from: it is no model, but lies where models do. */

import { openSource } from "../../bytes/open_source.ts";
import { resolve } from "../../deps.ts";
import { CheckpointError, FormatError } from "../../error.ts";
import type { PickleValue } from "../../pickle/mod.ts";
import { dictOf } from "../../torch/pickled_dict.ts";
import { outlineTorchFile } from "../../torch/torch_file.ts";

/** A part of a training that isn't its model. */
export interface TrainingState {
  /** What it is, for people, with the versions of fairseq2 that save it so where the place tells. */
  readonly what: string;
  /** What to name instead, where the model is wanted. */
  readonly instead: string;
}

/** The directories of a step of 0.5 to 0.8 that aren't its model's. */
export const TRAINING_DIRECTORIES = ["trainer", "optimizer", "data_reader"] as const;

/** Where 0.5 to 0.8 save such parts (0.8.1 `checkpoint/manager.py`, `save_checkpoint`): the files, and the directories above. */
const PLACES = [
  /^(?<step>.*)[/\\](?<kind>trainer)(?:[/\\]rank_\d{2,}\.pt)?$/s,
  /^(?<step>.*)[/\\](?<kind>optimizer)(?:[/\\]pp_\d{2,}(?:[/\\]tp_\d{2,}(?:[/\\]sdp_\d{2,}\.pt)?)?)?$/s,
  /^(?<step>.*)[/\\](?<kind>data_reader)(?:[/\\]dp_\d{2,}\.pt)?$/s,
];

/** Keys that fairseq2 has put a model's state dict under: FSDP's, and that of DDP and of a single GPU. */
export const MODEL_KEYS = ["model", "_model"] as const;

/** The keys of dicts that are such parts, fairseq2's of all versions and torch's own. */
const KEYS: ReadonlyMap<PickleValue, string> = new Map([
  ["step_nr", "trainer"],
  ["_step_nr", "trainer"],
  ["_data_epoch_nr", "trainer"],
  ["_optimizer", "optimizer"],
  ["param_groups", "optimizer"],
  ["data_reader", "data reader"],
  ["_data_reader", "data reader"],
]);

/** Keys that others give to such parts beside their models. */
const COMMON_KEYS: ReadonlyMap<PickleValue, string> = new Map([
  ["trainer", "trainer"],
  ["optimizer", "optimizer"],
]);

/** What a dict is that has a list under one of these keys alone: 0.8.1 fairseq2n `DataPipeline.state_dict`, `utils/rng.py`. */
const ONLY_KEYS: ReadonlyMap<PickleValue, string> = new Map([
  ["position", "data reader"],
  ["generators", "random number generator"],
]);

/** Finds out whether a path is of such a part in a step of fairseq2 0.5 to 0.8: a file of it, or a directory. */
export function trainingPlace(path: string): TrainingState | undefined {
  const absolute = resolve(path);
  for (const pattern of PLACES) {
    const { kind, step } = pattern.exec(absolute)?.groups ?? {};
    if (kind === undefined) continue;
    return { what: `${kind.replace("_", " ")} state of fairseq2 0.5-0.8`, instead: `its step, ${step}` };
  }
  return undefined;
}

/**
 * Finds out whether a file is such a part, by its place or else by what it holds.
 *
 * @param root What torch saved in it.
 */
export function trainingState(root: PickleValue | undefined, path: string): TrainingState | undefined {
  const dict = dictOf(root);
  const place = trainingPlace(path);
  if (dict === undefined || place !== undefined) return place;
  if (MODEL_KEYS.some((key) => dictOf(dict.get(key)) !== undefined)) return undefined;
  const keys = [...dict.keys()];
  const [only] = keys;
  const isAllKnown = keys.every((key) => KEYS.has(key) || COMMON_KEYS.has(key));
  const kindOf = (kinds: ReadonlyMap<PickleValue, string>) => kinds.get(keys.find((key) => kinds.has(key))!);
  const kind = (isAllKnown ? kindOf(COMMON_KEYS) : undefined) ?? kindOf(KEYS) ??
    (keys.length === 1 && Array.isArray(dict.get(only!)) ? ONLY_KEYS.get(only!) : undefined);
  if (kind === undefined) return undefined;
  return { what: `${kind} state`, instead: "the directory that holds model.pt or model/pp_00" };
}

/** Says what it is, and what to name instead. */
export function noModel(path: string, { what, instead }: TrainingState): string {
  return `${path}: is the ${what}, not a model; name ${instead}`;
}

/**
 * Why a file can't be opened as a model. What a training saved beside one may name objects that no model has, such as an
 * optimizer's tensors that FSDP2 split.
 *
 * @param error Why it was refused, which counts where it is no such part.
 */
export async function whyNoModel(path: string, error: unknown): Promise<unknown> {
  if (!(error instanceof FormatError)) return error;
  try {
    using source = openSource(path);
    const { root } = await outlineTorchFile(source, () => {});
    const state = trainingState(root, path);
    return state === undefined ? error : new FormatError(noModel(path, state));
  } catch (other) {
    if (other instanceof CheckpointError) return error;
    throw other;
  }
}
