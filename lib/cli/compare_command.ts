/**
 * `ckpt compare`: what it looks like. What it does is loaded when it runs, so that `--help` answers at once.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** The command that compares two checkpoints. */
export const compareCommand: Command = {
  words: ["compare"],
  summary: "Say whether two checkpoints are the same model: names, shapes and bits.",
  details: [
    "Models are compared whatever their layouts, shards and names are; anything else by the names of its tensors.",
    "",
    "The exit code is 0 if they are the same, 1 if they differ, and 2 if they could not be compared.",
  ],
  positionals: [
    { name: "a", help: "A checkpoint's directory, or a file" },
    { name: "b", help: "Another" },
  ],
  options: [
    {
      name: "tolerance",
      value: "X",
      help: "Compare numbers, of any dtypes, and let them differ by up to X; show how far they do",
    },
    {
      name: "from",
      value: "LAYOUT",
      most: 2,
      help:
        "fairseq2, reference, meta or huggingface, where a directory holds several; twice for <a> and <b>",
    },
    { name: "json", help: "Print what came of it as JSON on stdout" },
    { name: "quiet", help: "Print nothing but errors" },
  ],
  failureCode: 2,
  examples: [
    ["run/checkpoints/step_1000 hf", "before and after a conversion"],
    ["--tolerance 1e-3 float32 bfloat16", "how much a cast has changed"],
  ],
  run: async (args, context) => (await import("./run_compare.ts")).runCompare(args, context),
};
