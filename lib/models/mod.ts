/**
 * The models that are known: families, published architectures, and model cards.
 *
 * @module
 */

export { architectures, findArchitecture, findModelCard, type ModelCard } from "./model_cards.ts";
export type { Architecture, Generation, Naming } from "./family.ts";
export type {
  ModelDescription,
  ModelShape,
  RopeScaling,
  SpecialTokens,
  YarnScaling,
} from "./model_description.ts";
