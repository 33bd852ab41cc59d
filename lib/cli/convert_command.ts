/**
 * `ckpt convert`, and `ckpt llama convert_checkpoint`, which is the same for LLaMA alone, as fairseq2 has it: what they
 * look like. What they do is loaded when they run, so that `--help` answers at once.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** The command that fairseq2 has, too: it converts a LLaMA checkpoint. */
export const llamaConvertCommand: Command = {
  words: ["llama", "convert_checkpoint"],
  aliases: ["convert-checkpoint"],
  summary: "Convert a LLaMA checkpoint between fairseq2, the reference layout, Meta's and Hugging Face's.",
  details: [
    "The model is what --model names, else what the model.yaml beside or above the checkpoint says, else the one",
    "architecture that the shapes fit. The weights are checked against it before anything is written.",
    "",
    "The output is built in <output>.partial and gets its name when it is whole. A run that was stopped goes on",
    "when the same command is run again.",
  ],
  positionals: [
    {
      name: "input",
      help: "The checkpoint, of any layout: its directory, a directory of steps, or a model.pt",
    },
    { name: "output", help: "The directory to make; it may exist if it is empty" },
  ],
  options: [
    { name: "model", value: "NAME", help: "An architecture, a model card, or the path of a model.yaml" },
    { name: "to", value: "LAYOUT", help: "reference (the default), meta, huggingface, or fairseq2" },
    {
      name: "from",
      value: "LAYOUT",
      help: "fairseq2, reference, meta or huggingface, where <input> holds checkpoints of several",
    },
    {
      name: "step",
      value: "N",
      help: "The step, where <input> holds several (default: the newest complete one)",
    },
    {
      name: "shards",
      value: "N",
      help: "Write N tensor-parallel shards (default: as many as the input has)",
    },
    {
      name: "dtype",
      value: "DTYPE",
      help: "Cast to bfloat16, float16 or float32 (default: keep)",
    },
    {
      name: "max-shard-size",
      value: "SIZE",
      help: "Split safetensors files at SIZE, such as 5GB (huggingface)",
    },
    {
      name: "tokenizer",
      value: "PATH",
      help: "A tokenizer.model to convert, or a directory with a tokenizer (huggingface)",
    },
    { name: "no-tokenizer", help: "Leave the tokenizer that lies beside the input (huggingface)" },
    { name: "instruct", help: "It is an instruct model, though nothing says so (huggingface, fairseq2)" },
    {
      name: "layout",
      value: "LAYOUT",
      help: "legacy (0.2–0.4, the default) or native (0.5 and later) (fairseq2)",
    },
    {
      name: "ignore-config",
      value: "FIELD",
      most: Infinity,
      help: "An unknown field of the model.yaml that changes nothing in what is computed (repeatable)",
    },
    { name: "dry-run", help: "Show what would be done; write nothing" },
    { name: "json", help: "Print the summary, or the dry run, as JSON on stdout" },
    { name: "quiet", help: "Print nothing but errors" },
    { name: "jobs", value: "N", help: "Copy with N workers (default: one a core, at most 4)" },
    { name: "clone", negated: true, help: "Never share blocks with the input; write everything anew" },
    { name: "verify", help: "Read every file back when it is written, and compare checksums" },
    { name: "sync", help: "Flush everything to the disk before the output gets its name" },
    { name: "restart", help: "Begin anew, instead of going on from what an earlier run left" },
    { name: "task", value: "I/N", help: "Make the I-th of N shares of the files; N processes make them all" },
  ],
  examples: [
    ["--model llama3_2_1b run/checkpoints/step_1000 llama3_2_1b", "a 1B model that fairseq2 trained"],
    [
      "--dry-run run/checkpoints/step_1000 out",
      "what would be written, by the model.yaml above the checkpoint",
    ],
    ["--to huggingface --tokenizer tokenizer.model run/checkpoints hf", "for transformers and vLLM"],
    ["--shards 8 --step 1000 run/checkpoints out", "eight shards of a certain step"],
    ["--task 3/8 run/checkpoints/step_1000 out", "the third of eight processes on a shared file system"],
  ],
  run: async (args, context) => {
    const { runConvert } = await import("./run_convert.ts");
    return await runConvert(llamaConvertCommand, args, context, { to: "reference", family: "llama" });
  },
};

/** The command that converts a checkpoint of any family. */
export const convertCommand: Command = {
  ...llamaConvertCommand,
  words: ["convert"],
  aliases: [],
  summary: "Convert a checkpoint between fairseq2, the reference layout, Meta's and Hugging Face's.",
  options: llamaConvertCommand.options.map((option) =>
    option.name === "to"
      ? { ...option, help: "huggingface (the default), reference, meta, or fairseq2" }
      : option
  ),
  examples: [
    ["run/checkpoints/step_1000 hf", "for transformers and vLLM, by the model.yaml above the checkpoint"],
    ["--dry-run run/checkpoints/step_1000 hf", "what would be written"],
    [
      "--to fairseq2 --layout native --shards 2 hf checkpoints",
      "back to fairseq2 0.5 or later, in two shards",
    ],
    ["--to reference --step 1000 run/checkpoints out", "the reference layout of a certain step"],
  ],
  run: async (args, context) => {
    const { runConvert } = await import("./run_convert.ts");
    return await runConvert(convertCommand, args, context, { to: "huggingface" });
  },
};
