/**
 * Qwen 2.5 and 3, as a family of models.
 *
 * @module
 */

import type { Family } from "../family.ts";
import { normEpsNotes } from "../model_yaml_fields.ts";
import { NORM_EPS, qwenArchitectures } from "./architectures.ts";
import { QWEN_TYPES, readQwenJson, WHOSE, writeQwenJson } from "./config_json.ts";
import { readQwenConfig, writeQwenConfig } from "./model_yaml.ts";
import { qwenParameters } from "./parameters.ts";

/** `<|endoftext|>`, which all vocabularies of 2.5 and 3 have there. */
const END_OF_TEXT = 151643;

/** `<|im_end|>`, which ends a turn. */
const END_OF_TURN = 151645;

/** Qwen 2.5 and 3. */
export const qwen: Family = {
  name: "qwen",
  title: "Qwen",
  whose: WHOSE,
  parameters: qwenParameters,
  architectures: qwenArchitectures,
  // The cards with `use_im_end`: those of 2.5 that are called "instruct", those of 3 that aren't called "base".
  endOfTurn: (card) => /^qwen25_.*_instruct$|^qwen3_[^_]+$/.test(card) ? END_OF_TURN : undefined,
  // As the published configurations have it; fairseq2 begins no sequence with a token.
  usualTokens: ({ vocabSize }) => vocabSize > END_OF_TURN ? { bosId: END_OF_TEXT, eosId: END_OF_TEXT } : {},
  modelYaml: {
    generations: ["0.5+"],
    defaultArchitecture: "qwen25_7b",
    headDimField: "head_dim",
    read: readQwenConfig,
    write: writeQwenConfig,
    notes: (model) => normEpsNotes(model, NORM_EPS),
  },
  configJson: {
    types: QWEN_TYPES,
    version: "4.57.6",
    read: readQwenJson,
    write: writeQwenJson,
  },
};
