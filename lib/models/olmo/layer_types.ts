import type { ModelDescription } from "../model_description.ts";

/** What configurations call layers with a window and without. */
export const LAYER_TYPES = { sliding: "sliding_attention", full: "full_attention" } as const;

/**
 * Which layers of an OLMo 3 have the window. By default all but every fourth one, and but the last one, as fairseq2 has
 * it (0.8.1 `models/olmo/factory.py` `_generate_layer_types`); transformers' default gives the last one a window, too.
 */
export function layerTypesOf({ layerTypes, layers }: ModelDescription): readonly ("sliding" | "full")[] {
  return layerTypes ?? Array.from(
    { length: layers },
    (_, layer) => (layer + 1) % 4 === 0 || layer === layers - 1 ? "full" : "sliding",
  );
}
