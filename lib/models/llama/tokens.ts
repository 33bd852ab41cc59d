import type { SpecialTokens } from "../model_description.ts";
import type { LlamaVersion, NamedModel, SamplingSettings, TokenFamily } from "../token_family.ts";

/** `<s>` and `</s>` of LLaMA 1 and 2. */
const SENTENCEPIECE: SpecialTokens = { bosId: 1, eosIds: [2] };

/** `<|begin_of_text|>` of LLaMA 3, `<|end_of_text|>`, `<|eom_id|>` (from 3.1 on) and `<|eot_id|>`. */
const BEGIN_OF_TEXT = 128000;
const END_OF_TEXT = 128001;
const END_OF_MESSAGE = 128008;
const END_OF_TURN = 128009;

/** The vocabulary that LLaMA 1 and 2 were published with. */
const SENTENCEPIECE_VOCABULARY = 32000;

/** `generation_config.json` of meta-llama/Llama-3.1-8B-Instruct, and of 3.2's and 3.3's instruct models. */
const SAMPLING: SamplingSettings = { temperature: 0.6, topP: 0.9 };

/** The same of meta-llama/Meta-Llama-3-8B-Instruct. */
const SAMPLING_3: SamplingSettings = { ...SAMPLING, maxLength: 4096 };

/**
 * What LLaMA knows of its tokens.
 *
 * The ends are those of `generation_config.json` and, from 3.1 on, of `config.json` in the published models
 * (meta-llama/Meta-Llama-3-8B-Instruct, Llama-3.1-8B-Instruct, Llama-3.2-1B-Instruct, Llama-3.3-70B-Instruct). Only
 * instruct models of LLaMA 3 are known to sample: a base model's name is its architecture's, too, which any model may
 * have, and what LLaMA 2's files say isn't known for sure.
 */
export const llamaTokens: TokenFamily = {
  // The distilled model alone is called "instruct" and derives from no instruct card in fairseq2.
  isInstruct: (card) => /^llama.*_(instruct|chat)$/.test(card),

  published(named, isInstruct) {
    // fairseq2's own exporter tells by this size, too (0.8.1 `models/llama/interop.py`).
    const version = named.card === undefined && named.model.vocabSize === SENTENCEPIECE_VOCABULARY
      ? "2"
      : llamaVersion(named);
    if (version === "1" || version === "2") return SENTENCEPIECE;
    const turns = version === "3" ? [END_OF_TURN] : [END_OF_MESSAGE, END_OF_TURN];
    const isTuned = isInstruct && !isDistilled(named);
    return { bosId: BEGIN_OF_TEXT, eosIds: isTuned ? [END_OF_TEXT, ...turns] : [END_OF_TEXT] };
  },

  turnEnd(named) {
    const version = llamaVersion(named);
    if (version === "1") return undefined;
    if (version === "2") return SENTENCEPIECE.eosIds![0];
    return isDistilled(named) ? END_OF_TEXT : END_OF_TURN;
  },

  sampling(card) {
    if (!/^llama3_.*_instruct$/.test(card)) return undefined;
    return /^llama3_[123]_/.test(card) ? SAMPLING : SAMPLING_3;
  },

  tokenizerOf: (named) => isDistilled(named) ? undefined : llamaVersion(named),
};

/** DeepSeek's distilled model has a vocabulary of its own: its turns end as its texts do. */
function isDistilled({ card }: NamedModel): boolean {
  return card?.startsWith("r1_distilled") ?? false;
}

/** The version of LLaMA that a model is or was made from: by its name, else by what only that version has. */
export function llamaVersion({ model, architecture, card }: NamedModel): LlamaVersion {
  const { ropeScaling, ropeTheta, vocabSize } = model;
  const name = card ?? architecture ?? "";
  const version = /^llama3_([123])_/.exec(name)?.[1];
  if (version === "1" || version === "2" || version === "3") return `3.${version}`;
  if (/^(r1_distilled_)?llama3_1/.test(name)) return "3.1";
  if (/^llama3_/.test(name)) return "3";
  if (/^llama2_/.test(name)) return "2";
  if (name !== "") return "1";
  if (ropeScaling?.factor === 32) return "3.2";
  if (ropeScaling !== undefined) return "3.1";
  // LLaMA 1 and 2 have 32,000 tokens, LLaMA 3 has 128,256 and a base of its own; either may have been extended.
  return vocabSize < 64000 && ropeTheta !== 500000 ? "2" : "3";
}
