/** Weights under another naming than fairseq2's, beside which something describes the model: they become canonical. */

import { MismatchError } from "../error.ts";
import { familyOf } from "../models/families.ts";
import { EMBEDDING, type Naming, PROJECTION } from "../models/family.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { expectedParameters, formatName, isRotaryBuffer, parseName, shapeOf } from "../models/parameter.ts";
import { reorderHeads, rowsFromHuggingFace } from "../models/rotary_order.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A tensor, and the file that it is in, for messages. */
export interface Placed {
  readonly tensor: Tensor;
  readonly path: string;
}

/** What messages call things. */
export interface Words {
  /** What the checkpoint is, as in "in the Hugging Face layout". */
  readonly where: string;
  /** What describes the model. */
  readonly description: string;
  /** Its field for the number of layers. */
  readonly layers: string;
  /** Its field that says that the output projection is the embedding. */
  readonly tied: string;
}

/**
 * The tensors by canonical names, in the order of fairseq2's state dicts, checked, and with the rows of q and k in the
 * canonical order.
 *
 * @param path The checkpoint, for messages.
 * @param notes Takes what a user should be told.
 * @throws {MismatchError} If they aren't those of the model.
 */
export function canonicalParameters(
  path: string,
  naming: Naming,
  tensors: ReadonlyMap<string, Placed>,
  model: ModelDescription,
  words: Words,
  notes: string[],
): Map<string, Tensor> {
  for (const [name, placed] of tensors) checkTensor(name, naming, placed, model, words);
  const parameters = new Map<string, Tensor>();
  const order = naming === "huggingface" ? rowsFromHuggingFace(model.headDim) : undefined;
  for (const each of expectedParameters(familyOf(model), model)) {
    const [name, canonical] = [formatName(naming, each), formatName("fairseq2", each)];
    const tensor = tensors.get(name)?.tensor;
    if (tensor !== undefined) {
      if (canonical === PROJECTION && model.tied) {
        notes.push(
          `${words.description} says that ${
            name.replace(/\.weight$/, "")
          } is the embedding (${words.tied}), but the files ` +
            "hold one: it is carried over",
        );
      }
      const isReordered = order !== undefined && each.spec.isPaired;
      parameters.set(canonical, isReordered ? reorderHeads(tensor, order) : tensor);
    } else if (canonical === PROJECTION && model.tied) {
      parameters.set(canonical, parameters.get(EMBEDDING)!);
    } else {
      const why = canonical === PROJECTION
        ? `and ${words.description} doesn't say that it is the embedding (${words.tied})`
        : "so the model is incomplete";
      throw new MismatchError(`${path}: no file holds ${name}, ${why}`);
    }
  }
  return parameters;
}

/** Checks that a tensor is one that the model has, and of its shape. */
function checkTensor(
  name: string,
  naming: Naming,
  { tensor: { shape }, path }: Placed,
  model: ModelDescription,
  words: Words,
): void {
  if (isRotaryBuffer(naming, name)) return;
  const family = familyOf(model);
  const parameter = parseName(family, naming, name);
  if (parameter === undefined) {
    throw new MismatchError(
      name.endsWith(".bias")
        ? `${path}: ${name}: is a bias, which ${family.whose} haven't got`
        : `${path}: ${name}: is no parameter of a ${family.title} model ${words.where}`,
    );
  }
  if (!(parameter.spec.isPresent?.(model) ?? true)) {
    throw new MismatchError(
      `${path}: ${name}: is no parameter of a model such as ${words.description} describes`,
    );
  }
  if (parameter.layer !== undefined && parameter.layer >= model.layers) {
    throw new MismatchError(
      `${path}: ${name}: is of a layer that the model hasn't got: ${words.layers} is ${model.layers} in ${words.description}`,
    );
  }
  const expected = shapeOf(parameter, model);
  if (String(shape) !== String(expected)) {
    throw new MismatchError(
      `${path}: ${name}: is [${shape.join(", ")}], but [${
        expected.join(", ")
      }] in a model such as ${words.description} ` +
        "describes",
    );
  }
}
