/**
 * `ckpt inspect`: what it looks like. What it does is loaded when it runs, so that `--help` answers at once.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** The command that looks inside a checkpoint. */
export const inspectCommand: Command = {
  words: ["inspect"],
  summary: "Show what a checkpoint, or any torch or safetensors file, is and holds.",
  details: [
    "Only tables of contents are read, and nothing in them is run. Of a file on a web server some kilobytes are read.",
    "",
    "With --globals the exit code is 1 if a pickle could not be read to its end, since it may name more.",
  ],
  positionals: [{
    name: "path",
    help: "A checkpoint's directory, a file, or the URL of a file (http, https)",
  }],
  options: [
    { name: "tensors", help: "List all tensors, instead of a tree that folds repeated layers" },
    { name: "globals", help: "List what the pickles name, and whether torch's weights_only allows it" },
    {
      name: "from",
      value: "LAYOUT",
      help: "fairseq2, reference, meta or huggingface, where <path> holds checkpoints of several",
    },
    { name: "json", help: "Print it as JSON on stdout" },
  ],
  examples: [
    ["run/checkpoints/step_1000", "what fairseq2 saved"],
    ["https://example.org/model.safetensors", "without downloading it"],
    ["--globals model.pth", "what loading it would import"],
  ],
  run: async (args, context) => (await import("./run_inspect.ts")).runInspect(args, context),
};
