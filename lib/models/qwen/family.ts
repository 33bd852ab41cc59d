import type { Family } from "../family.ts";
import { normEpsNotes } from "../model_yaml_fields.ts";
import { NORM_EPS, qwenArchitectures, qwenHubNames, qwenTokens } from "./architectures.ts";
import { QWEN_TYPES, readQwenJson, WHOSE, writeQwenJson } from "./config_json.ts";
import { qwenGguf } from "./gguf.ts";
import { qwenModelYaml } from "./model_yaml.ts";
import { qwenParameters } from "./parameters.ts";

/** Qwen 2.5 and 3. */
export const qwen: Family = {
  name: "qwen",
  title: "Qwen",
  whose: WHOSE,
  parameters: qwenParameters,
  architectures: qwenArchitectures,
  hubNames: qwenHubNames,
  tokens: qwenTokens,
  modelYaml: {
    generations: ["0.5+"],
    defaultArchitecture: "qwen25_7b",
    headDimField: "head_dim",
    ...qwenModelYaml,
    notes: (model) => normEpsNotes(model, NORM_EPS),
  },
  configJson: {
    types: QWEN_TYPES,
    version: "4.57.6",
    read: readQwenJson,
    write: writeQwenJson,
  },
  gguf: qwenGguf,
};
