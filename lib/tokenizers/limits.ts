/**
 * How large a tokenizer's file may be. All of it is held in memory, and so is what is made of it.
 */

/**
 * The bytes of a `tokenizer.model`. LLaMA 3's has 2,183,982, LLaMA 4's 3,622,230; twice the latter and more.
 */
export const MAX_TOKENIZER_BYTES = 1 << 23;

/** The bytes of a token. The longest of LLaMA 3's are 128 spaces; 8 times as many. */
export const MAX_TOKEN_BYTES = 1024;

/**
 * The bytes of all merges' results together, which bounds `tokenizer.json`. LLaMA 3's 280,147 merges make
 * 2,030,233; 16 times as many. Without it, tokens that are prefixes of one another would make gigabytes.
 */
export const MAX_MERGED_BYTES = 1 << 25;

/** The bytes of a `tokenizer.json` that is read. Gemma 3's has 33,384,568, the largest known; twice as many. */
export const MAX_TOKENIZER_JSON_BYTES = 1 << 26;

/** The lists and objects in it. Gemma 3's 514,906 merges are lists, the most of those known; twice as many. */
export const MAX_TOKENIZER_JSON_LISTS = 1 << 20;

/** The ids of a vocabulary that is read. Gemma 3's has 262,145, the most of those known; 16 times as many. */
export const MAX_TOKENS = 1 << 22;
