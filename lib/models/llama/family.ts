/**
 * LLaMA, as a family of models.
 *
 * @module
 */

import { PythonFloat } from "../../python/python_number.ts";
import { type Family, generations } from "../family.ts";
import { llamaArchitectures } from "./architectures.ts";
import { readLlamaJson, WHOSE, writeLlamaJson } from "./config_json.ts";
import { describeLlamaParams } from "./describe_params.ts";
import { readLlamaConfig } from "./model_yaml.ts";
import { llamaParameters } from "./parameters.ts";
import { llamaParamsNotes, writeLlamaParams } from "./params_json.ts";
import { llamaLegacyForm, llamaNotes, writeLlamaConfig } from "./write_model_yaml.ts";

/** The end of a turn (`<|eot_id|>`), which ends a sequence in fairseq2's `llama3_instruct` cards. */
const END_OF_TURN = 128009;

/** The size of LLaMA 1 and 2's vocabulary. */
const LLAMA_1_VOCABULARY = 32000;

/** LLaMA 1 and 2: `<s>` and `</s>` of their SentencePiece model. */
const LLAMA_1_TOKENS = { bosId: 1, eosId: 2 };

/** LLaMA 3: `<|begin_of_text|>` and `<|end_of_text|>`. */
const LLAMA_3_TOKENS = { bosId: 128000, eosId: 128001 };

/** LLaMA 1 to 3.3. */
export const llama: Family = {
  name: "llama",
  title: "LLaMA",
  whose: WHOSE,
  parameters: llamaParameters,
  architectures: llamaArchitectures,
  // The distilled model alone is called "instruct" and derives from no instruct card in fairseq2.
  endOfTurn: (card) => /^llama3.*_instruct$/.test(card) ? END_OF_TURN : undefined,
  // 0.8.1 `models/llama/interop.py`.
  usualTokens: ({ vocabSize }) => vocabSize === LLAMA_1_VOCABULARY ? LLAMA_1_TOKENS : LLAMA_3_TOKENS,
  modelYaml: {
    generations,
    defaultArchitecture: "7b",
    splitsTied: true, // 0.8.1 `create_final_projection`.
    // 0.4.0 to 0.4.6 setup/_models.py.
    unnamed: (generation) => generation === "0.4" ? "llama3_1_8b" : undefined,
    read: readLlamaConfig,
    write: writeLlamaConfig,
    legacyForm: llamaLegacyForm,
    notes: llamaNotes,
  },
  configJson: {
    // The second class is that of the first weights on the hub.
    types: new Map([["llama", ["LlamaForCausalLM", "LLaMAForCausalLM"]]]),
    version: "4.46.3",
    // As transformers' conversion script has it (4.46.3 `convert_llama_weights_to_hf.py`), after Meta's own examples.
    sampling: { do_sample: true, temperature: new PythonFloat(0.6), top_p: new PythonFloat(0.9) },
    read: readLlamaJson,
    write: writeLlamaJson,
  },
  paramsJson: {
    isOwn: ({ values }) => !values.has("hidden_dim"),
    describe: describeLlamaParams,
    write: writeLlamaParams,
    notes: llamaParamsNotes,
  },
};
