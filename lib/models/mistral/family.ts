import { type Family, generations } from "../family.ts";
import { mistralArchitectures, mistralHubNames, mistralTokens } from "./architectures.ts";
import { readMistralJson, WHOSE, writeMistralJson } from "./config_json.ts";
import { mistralGguf } from "./gguf.ts";
import { mistralModelYaml, mistralNotes } from "./model_yaml.ts";
import { mistralParameters } from "./parameters.ts";
import { describeMistralParams, writeMistralParams } from "./params_json.ts";

/** Mistral 7B and its like. */
export const mistral: Family = {
  name: "mistral",
  title: "Mistral",
  whose: WHOSE,
  parameters: mistralParameters,
  architectures: mistralArchitectures,
  hubNames: mistralHubNames,
  tokens: mistralTokens,
  modelYaml: {
    generations,
    defaultArchitecture: "mistral_7b",
    ...mistralModelYaml,
    legacyForm: () => "0.2-0.4",
    // 0.3.0 `models/mistral/loader.py` and 0.4.5 `models/mistral/_handler.py` have no sharder.
    isWholeUntil0_4: true,
    isNeverTied: true,
    notes: mistralNotes,
  },
  configJson: {
    types: new Map([["mistral", ["MistralForCausalLM"]]]),
    version: "4.57.6",
    read: readMistralJson,
    write: writeMistralJson,
  },
  paramsJson: {
    isComplete: true,
    isOneFile: true,
    isOwn: ({ values }) => values.has("hidden_dim"),
    describe: describeMistralParams,
    write: writeMistralParams,
  },
  gguf: mistralGguf,
};
