/** The version of ckpt; the same as in deno.json, which a test compares. */
export const VERSION = "0.1.0";
