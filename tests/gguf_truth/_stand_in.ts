/** A tokenizer for models whose vocabularies are too small for any real one. */

import { join } from "../../lib/deps.ts";

/** What llama.cpp calls the way in which it cuts up texts, which its converter knows of published tokenizers alone. */
export const STAND_IN_PRE = "gpt-2";

/** Makes a directory with a tokenizer of Hugging Face's that has so many tokens. */
export function makeStandIn(directory: string, vocabSize: number): void {
  // One character a token, from "!" on, and one pair of them: llama.cpp wants a merge.
  const tokens = Array.from({ length: vocabSize - 1 }, (_, id) => String.fromCodePoint(0x21 + id));
  tokens.push(tokens[2]! + tokens[3]!);
  const added = [0, 1].map((id) => ({
    id,
    content: tokens[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [[tokens[2], tokens[3]]],
    },
  };
  // All roles for which transformers' Qwen2Tokenizer would add a token of its own.
  const [bos_token, eos_token] = tokens;
  const roles = { bos_token, eos_token, unk_token: eos_token, pad_token: eos_token };
  const config = { tokenizer_class: "PreTrainedTokenizerFast", ...roles };
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(join(directory, "tokenizer.json"), JSON.stringify(tokenizer));
  Deno.writeTextFileSync(join(directory, "tokenizer_config.json"), JSON.stringify(config));
}
