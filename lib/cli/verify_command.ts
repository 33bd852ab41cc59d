/**
 * `ckpt verify`: what it looks like. What it does is loaded when it runs, so that `--help` answers at once.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** The command that verifies a checkpoint. */
export const verifyCommand: Command = {
  words: ["verify"],
  summary: "Check that a checkpoint is whole and undamaged, and the model that it says it is.",
  details: [
    "Every file of tensors is read: the checksums that it states, its records within it and apart from each other, and",
    "each tensor within its storage. Of a model the state dict must be complete, and params.json, config.json or",
    "model.yaml must speak of these weights.",
    "",
    'Only torch\'s zip format states checksums: of any other the word is "readable", since numbers that changed are',
    "numbers. --sums prints what to know them by, in the format of sha256sum, which checks it as well (run it in the",
    "directory that was given); --against compares. Tensors' sums are comments to sha256sum.",
    "",
    "The exit code is 0 if nothing is wrong, else 1.",
  ],
  positionals: [{ name: "path", help: "A checkpoint's directory, or a file" }],
  options: [
    {
      name: "from",
      value: "LAYOUT",
      help: "fairseq2, reference, meta or huggingface, where <path> holds checkpoints of several",
    },
    { name: "sums", help: "Print the SHA-256 of each file that nothing is wrong with, as sha256sum does" },
    { name: "tensors", help: "With --sums: print that of each tensor too" },
    { name: "against", value: "SUMS", help: "Compare all files with the sums in this file" },
    { name: "json", help: "Print what came of it as JSON on stdout" },
    { name: "quiet", help: "Print nothing but what is wrong" },
    { name: "jobs", value: "N", help: "Read with N workers (default: one a core, at most 4)" },
  ],
  examples: [
    ["run/checkpoints/step_1000", "before it is converted or copied away"],
    ["consolidated.00.pth", "one file"],
    ["--sums hf > SHA256SUMS", "before it is sent away"],
    ["--against SHA256SUMS hf", "where it has arrived"],
  ],
  run: async (args, context) => (await import("./run_verify.ts")).runVerify(args, context),
};
