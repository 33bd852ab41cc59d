/**
 * The reference layout: `consolidated.NN.pth`, one for each shard, and `params.json`, which fairseq2's converter
 * nests under `model` and Meta has flat.
 */

import { join } from "../../deps.ts";
import { FormatError, MismatchError } from "../../error.ts";
import { families, findParameter } from "../../models/families.ts";
import { formatName, isRotaryBuffer } from "../../models/parameter.ts";
import { dictOf } from "../../torch/pickled_dict.ts";
import type { TorchFile } from "../../torch/torch_file.ts";
import type { Checkpoint, Parameters } from "../checkpoint.ts";
import { readConfigText } from "../config_text.ts";
import type { Listing } from "../directory.ts";
import { observeShape } from "../observe.ts";
import { namesOfRanks, openTorchShards, readState } from "../torch_shards.ts";
import { type DescribedModel, describeReference } from "./params_json.ts";
import { consolidatedName } from "./write.ts";

const PARAMS = "params.json";

/**
 * The shards' files in a directory, by rank.
 *
 * @returns Their names; none if there are none.
 * @throws {FileError} If one of them is missing.
 */
export function findConsolidated({ path, files }: Listing): string[] {
  return namesOfRanks(path, files, consolidatedName);
}

/**
 * Opens a directory in the reference layout.
 *
 * Without a `params.json`, or with one that fits several published models which compute differently, the checkpoint
 * says no model: it has to be named.
 *
 * @param names The names of the shards' files, by rank.
 * @throws {FileError} If a file can't be read.
 * @throws {FormatError} If a file isn't what it must be.
 * @throws {MismatchError} If the weights aren't those of a LLaMA model, or not those that `params.json` speaks of.
 */
export async function openReference(listing: Listing, names: readonly string[]): Promise<Checkpoint> {
  const { path, files } = listing;
  const opened = await openTorchShards(names.map((name) => [join(path, name)]), readReferenceState);
  const { shards } = opened;
  const params = join(path, PARAMS);
  const described: DescribedModel = files.has(PARAMS)
    ? describeReference(
      await readConfigText(params),
      params,
      shards.length,
      (family) => observeShape(shards, family),
    )
    : { notes: [] };
  return { path, kind: "reference", naming: "reference", ...opened, ...described };
}

/** The parameters in a file by canonical name, in the file's order. */
function readReferenceState(file: TorchFile): Parameters {
  const { path } = file.archive.source;
  const state = dictOf(file.root);
  if (state === undefined) {
    throw new FormatError(`${path}: holds no dict of tensors; it is no file of the reference layout`);
  }
  return readState(file, state, (name) => {
    if (isRotaryBuffer("reference", name)) return undefined;
    const parameter = findParameter("reference", name);
    if (parameter !== undefined) return formatName("fairseq2", parameter);
    const having = families.filter(({ paramsJson }) => paramsJson !== undefined);
    const titles = having.map(({ title }) => title).join(" or ");
    throw new MismatchError(
      `${path}: ${name}: is no parameter of a ${titles} model in the reference layout`,
    );
  });
}
