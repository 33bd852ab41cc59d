import { type Family, generations } from "../family.ts";
import { llamaArchitectures, llamaHubNames } from "./architectures.ts";
import { readLlamaJson, WHOSE, writeLlamaJson } from "./config_json.ts";
import { llamaGguf } from "./gguf.ts";
import { describeLlamaParams } from "./describe_params.ts";
import { llamaLegacyForm, llamaModelYaml, llamaNotes } from "./model_yaml.ts";
import { llamaParameters } from "./parameters.ts";
import { llamaParamsNotes, writeLlamaParams } from "./params_json.ts";
import { llamaTokens } from "./tokens.ts";

/** LLaMA 1 to 3.3. */
export const llama: Family = {
  name: "llama",
  title: "LLaMA",
  whose: WHOSE,
  parameters: llamaParameters,
  architectures: llamaArchitectures,
  hubNames: llamaHubNames,
  tokens: llamaTokens,
  modelYaml: {
    generations,
    defaultArchitecture: "7b",
    splitsTied: true, // 0.8.1 `create_final_projection`.
    // 0.4.0 to 0.4.6 setup/_models.py.
    unnamed: (generation) => generation === "0.4" ? "llama3_1_8b" : undefined,
    ...llamaModelYaml,
    legacyForm: llamaLegacyForm,
    notes: llamaNotes,
  },
  configJson: {
    // The second class is that of the first weights on the hub.
    types: new Map([["llama", ["LlamaForCausalLM", "LLaMAForCausalLM"]]]),
    version: "4.46.3",
    read: readLlamaJson,
    write: writeLlamaJson,
  },
  paramsJson: {
    isOwn: ({ values }) => !values.has("hidden_dim"),
    describe: describeLlamaParams,
    write: writeLlamaParams,
    notes: llamaParamsNotes,
  },
  gguf: llamaGguf,
};
