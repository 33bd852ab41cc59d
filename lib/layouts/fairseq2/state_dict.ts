/** The model's state dict in what fairseq2 saved, under canonical names. */

import { FormatError } from "../../error.ts";
import { dictOf, type PickledDict } from "../../torch/pickled_dict.ts";
import type { TorchFile } from "../../torch/torch_file.ts";
import type { Parameters } from "../checkpoint.ts";
import { describeValue, readState } from "../torch_shards.ts";
import { findParameter } from "../../models/families.ts";
import type { Generation } from "../../models/family.ts";
import { stripWrappers } from "../../models/parameter.ts";
import { MODEL_KEYS, noModel, trainingState } from "./training_state.ts";

/**
 * Finds the model's parameters in a file of fairseq2's, whatever the model is.
 *
 * @param isPiece Whether it is one of several pieces of a state dict, and so may have nothing of it.
 * @returns The parameters by canonical name, in the file's order.
 * @throws {FormatError} If the file holds no model.
 * @throws {MismatchError} If a parameter can't be one, or is there twice after wrappers' names were removed.
 */
export function readModelState(file: TorchFile, isPiece = false): Parameters {
  const { path } = file.archive.source;
  const root = dictOf(file.root);
  if (root === undefined) {
    throw new FormatError(
      `${path}: holds ${describeValue(file.root)}, not a dict with a model; name a model's file`,
    );
  }
  if (isPiece && root.size === 0) return new Map();
  return readState(file, findState(file, root), stripWrappers);
}

/**
 * The versions of fairseq2 that save a model in the form that a file has, which only 0.2 to 0.4 wrap in a dict: 0.3.0
 * and 0.4.0 with `model_key`, 0.4.1 with `fs2`, and 0.4.2 to 0.4.6 with both (`checkpoint/manager.py`, `_manager.py`).
 *
 * @returns The versions, oldest first, or `undefined` where the form is none of theirs.
 */
export function generationsOf({ root }: Pick<TorchFile, "root">): readonly Generation[] | undefined {
  const dict = dictOf(root);
  if (dict?.has("fs2")) return ["0.4"];
  return dict?.has("model_key") ? ["0.2-0.3", "0.4"] : undefined;
}

/** What Lightning saves beside a state dict (its `trainer/connectors/checkpoint_connector.py`, `dump_checkpoint`). */
const LIGHTNING = "pytorch-lightning_version";

function findState(file: TorchFile, root: PickledDict): PickledDict {
  const { path } = file.archive.source;
  const modelKey = root.get("model_key");
  const keys = typeof modelKey === "string" ? [modelKey, ...MODEL_KEYS] : MODEL_KEYS;
  for (const key of keys) {
    const state = dictOf(root.get(key));
    if (state !== undefined) return state;
  }
  // A flat state dict is a model's if one of its keys is a parameter's name.
  for (const key of root.keys()) {
    if (typeof key === "string" && findParameter("fairseq2", stripWrappers(key)) !== undefined) return root;
  }
  const state = trainingState(file.root, path);
  if (state !== undefined) throw new FormatError(noModel(path, state));
  if (root.has(LIGHTNING)) {
    throw new FormatError(
      `${path}: is a checkpoint of PyTorch Lightning, whose model lies in state_dict; save that by itself: ` +
        'torch.save(torch.load(path)["state_dict"], "model.pt")',
    );
  }
  const names = [...root.keys()].slice(0, 5).map((key) => typeof key === "string" ? key : describeValue(key));
  throw new FormatError(
    `${path}: holds no model: none of the keys model and _model; it has ${
      names.join(", ") || "no keys at all"
    }`,
  );
}
