/**
 * `config.json` and `generation_config.json`, which lie beside the weights in the Hugging Face layout: as they are
 * written. `parse_config_json.ts` reads them.
 *
 * @module
 */

import type { ModelDescription, RopeScaling } from "../../models/model_description.ts";
import { pythonJson, type PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import type { SpecialTokens } from "./special_tokens.ts";

/**
 * The version of transformers whose form the files have. Later versions read it (5.x takes `rope_theta`,
 * `rope_scaling` and `torch_dtype` for its own `rope_parameters` and `dtype`), while earlier ones don't read theirs.
 */
const TRANSFORMERS_VERSION = "4.46.3";

/** What a `config.json` says besides what a {@linkcode ModelDescription} does. */
export interface ConfigJsonOptions {
  /** The dtype of the weights, by torch's name. */
  readonly dtype: string;
  /** Whether `lm_head` is the embedding once more, and not in the files. */
  readonly tied: boolean;
  /** The special tokens. */
  readonly tokens: SpecialTokens;
}

/**
 * The `config.json` of a model, as transformers 4.46.3 prints it: sorted, indented, and with a newline at its end.
 *
 * @param model The model.
 * @param options What else it says.
 * @returns The text.
 */
export function configJson(model: ModelDescription, { dtype, tied, tokens }: ConfigJsonOptions): string {
  const config: Record<string, PythonJsonValue> = {
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    attention_dropout: new PythonFloat(0),
    // Left out, they would be those of LLaMA 1.
    bos_token_id: tokens.bosId ?? null,
    eos_token_id: tokens.eosId ?? null,
    head_dim: model.headDim,
    hidden_act: "silu",
    hidden_size: model.dim,
    initializer_range: new PythonFloat(0.02),
    intermediate_size: model.intermediateSize,
    max_position_embeddings: model.maxSeqLen,
    mlp_bias: false,
    model_type: "llama",
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: model.kvHeads,
    pretraining_tp: 1,
    rms_norm_eps: new PythonFloat(model.normEps),
    rope_scaling: model.ropeScaling === undefined ? null : scalingJson(model.ropeScaling),
    rope_theta: new PythonFloat(model.ropeTheta),
    tie_word_embeddings: tied,
    torch_dtype: dtype,
    transformers_version: TRANSFORMERS_VERSION,
    use_cache: true,
    vocab_size: model.vocabSize,
    ...(tokens.padId !== undefined && { pad_token_id: tokens.padId }),
  };
  return `${pythonJson(config, { indent: 2, sortKeys: true })}\n`;
}

function scalingJson(scaling: RopeScaling): PythonJsonValue {
  return {
    factor: new PythonFloat(scaling.factor),
    high_freq_factor: new PythonFloat(scaling.highFreqFactor),
    low_freq_factor: new PythonFloat(scaling.lowFreqFactor),
    original_max_position_embeddings: scaling.originalContextLength,
    rope_type: "llama3",
  };
}

/**
 * The `generation_config.json` of a model, as transformers' conversion script writes it (4.46.3
 * `convert_llama_weights_to_hf.py`): the special tokens, and how Meta's own examples sample.
 *
 * @param tokens The special tokens.
 * @returns The text.
 */
export function generationConfigJson(tokens: SpecialTokens): string {
  const config: Record<string, PythonJsonValue> = {
    ...(tokens.bosId !== undefined && { bos_token_id: tokens.bosId }),
    do_sample: true,
    ...(tokens.eosId !== undefined && { eos_token_id: tokens.eosId }),
    temperature: new PythonFloat(0.6),
    top_p: new PythonFloat(0.9),
    transformers_version: TRANSFORMERS_VERSION,
  };
  return `${pythonJson(config, { indent: 2, sortKeys: true })}\n`;
}
