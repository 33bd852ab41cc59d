/** Recognizing a model by the names of its tensors. */

import { families } from "../models/families.ts";
import { EMBEDDING, type Family, type Naming, PROJECTION } from "../models/family.ts";
import { MismatchError } from "../error.ts";
import { observeShape } from "../layouts/observe.ts";
import { fitArchitectures, likelyFits } from "../models/fit_architecture.ts";
import { formatName, isRotaryBuffer, parseName, stripWrappers } from "../models/parameter.ts";
import type { PickleValue } from "../pickle/mod.ts";
import { dictOf } from "../torch/pickled_dict.ts";
import { ROPE_FACTORS } from "../layouts/gguf/metadata.ts";
import { ARCHITECTURE_KEY } from "../layouts/gguf/read.ts";
import type { InspectedGguf } from "./gguf_metadata.ts";
import type { FileListing, ListedTensor } from "./listing.ts";

/** A model that was recognized in a file, or a part of one. */
export interface Recognized {
  /** The layout that its names are of. */
  readonly names: Naming;
  /** The keys above the state dict, with a dot behind each; empty where the file is the state dict. */
  readonly prefix: string;
  readonly families: readonly Family[];
  readonly parameters: ReadonlyMap<string, ListedTensor>;
}

/** The keys that a model's state dict is found under. */
const CONTAINERS = ["", "model.", "_model."];

const NAMINGS: readonly Naming[] = ["fairseq2", "reference", "huggingface"];

/**
 * Recognizes a model of a known family, or a shard of one: all tensors have names of one layout, and lie in one dict. Of a
 * GGUF file the metadata say the family.
 */
export function recognize(listing: Pick<FileListing, "tensors" | "root" | "gguf">): Recognized | undefined {
  const { tensors, root, gguf } = listing;
  const [namings, known] = gguf === undefined
    ? [NAMINGS, families] as const
    : [["gguf"], familiesOfCode(gguf)] as const;
  const key = dictOf(root)?.get("model_key");
  for (const prefix of new Set([...CONTAINERS, ...(typeof key === "string" ? [`${key}.`] : [])])) {
    if (!tensors.every(({ name }) => name.startsWith(prefix))) continue;
    for (const names of namings) {
      const named: [name: string, tensor: ListedTensor][] = [];
      let possible: readonly Family[] = known;
      for (const tensor of tensors) {
        const name = stripWrappers(tensor.name.slice(prefix.length));
        if (isRotaryBuffer(names, name) || gguf !== undefined && name === ROPE_FACTORS) continue;
        named.push([name, tensor]);
        possible = possible.filter((family) => parseName(family, names, name) !== undefined);
        if (possible.length === 0) break;
      }
      const [family] = possible;
      if (family === undefined || named.length === 0) continue;
      const parameters = new Map(
        named.map(([name, tensor]) => [formatName("fairseq2", parseName(family, names, name)!), tensor]),
      );
      return { names, prefix, families: possible, parameters };
    }
  }
  return undefined;
}

/** The families that a GGUF file's code computes. The names of tensors are the same in many that ckpt doesn't know. */
function familiesOfCode({ metadata }: InspectedGguf): readonly Family[] {
  const code = metadata.find(({ key }) => key === ARCHITECTURE_KEY)?.value;
  return families.filter(({ gguf }) => gguf.architectures.some((architecture) => architecture === code));
}

/**
 * The layout of a file of fairseq2's, with the versions that write it (0.4.5 `checkpoint/manager.py`, which 0.3.0's is
 * alike but for the key `fs2`; 0.8.1 writes flat dicts).
 */
export function fairseq2Layout(root: PickleValue | undefined): string {
  const dict = dictOf(root);
  if (dict === undefined || !(dict.has("model") || dict.has("_model"))) return "fairseq2 0.5-0.8";
  return dict.has("fs2") ? "fairseq2 0.4" : "fairseq2 0.2-0.3";
}

/** What model some weights are of. */
export interface Identity {
  /** fairseq2's name for its family. */
  readonly family: string;
  /** The name of its architecture, those of the likely ones with "or" between them, or `null` where none fits. */
  readonly architecture: string | null;
}

/**
 * Identifies a model by the names and the shapes of its parameters. Where these are the same in several families, it is
 * taken to be of the first one.
 */
export function identify(
  parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  families: readonly Family[],
): Identity {
  // A tied model may have the embedding alone.
  const embedding = parameters.get(EMBEDDING);
  const all = embedding === undefined || parameters.has(PROJECTION)
    ? parameters
    : new Map([...parameters, [PROJECTION, embedding]]);
  const fits = likelyFits(families.flatMap((family) => {
    try {
      return fitArchitectures(observeShape([{ path: "", parameters: all }], family));
    } catch (error) {
      if (error instanceof MismatchError) return []; // No whole model.
      throw error;
    }
  })).map(({ architecture }) => architecture);
  return {
    family: fits[0]?.family ?? families[0]!.name,
    architecture: fits.length === 0 ? null : fits.map(({ name }) => name).join(" or "),
  };
}
