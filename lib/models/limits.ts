/**
 * How large the numbers of a configuration may be. Each limit is far past real models and keeps every product of
 * two of them below 2^53, so that sizes stay exact.
 */

/** The model's dimension. The largest published is 16384 (405B); 64 times as much. */
export const MAX_DIM = 1 << 20;

/** Layers. The largest published number is 126 (405B); 32 times as many. */
export const MAX_LAYERS = 4096;

/** Heads. The largest published number is 128 (405B); 128 times as many. */
export const MAX_HEADS = 1 << 14;

/** The width of the feed-forward network, and what it is rounded up to. 53248 for 405B; 315 times as much. */
export const MAX_INTERMEDIATE_SIZE = 1 << 24;

/** The vocabulary. 128256 from LLaMA 3 on; 130 times as many. */
export const MAX_VOCABULARY = 1 << 24;

/** Positions in a sequence. 131072 from LLaMA 3.1 on; 16384 times as many. */
export const MAX_SEQUENCE_LENGTH = 2 ** 31;

/** Tensor-parallel shards. Published checkpoints have 8 at most; 512 times as many. */
export const MAX_SHARDS = 4096;

/** The characters of a `model.yaml` or `params.json`. Real ones have about 800; 80 times as many. */
export const MAX_CONFIG_CHARACTERS = 1 << 16;

/**
 * The asterisks in a `model.yaml`, each of which may be an alias. Real ones have none. A sequence that is a key becomes
 * one text, in which each alias of a long text stands in full: 11,000 of them made 660 MB out of 63 kB.
 */
export const MAX_CONFIG_ALIASES = 256;

/** The values in a `model.yaml` after its aliases are expanded. Real ones have about 30; 300 times as many. */
export const MAX_CONFIG_VALUES = 10_000;

/** How deep mappings and sequences of a `model.yaml` may nest. Real ones have 4 levels; 8 times as many. */
export const MAX_CONFIG_DEPTH = 32;
