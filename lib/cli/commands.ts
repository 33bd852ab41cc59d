/**
 * The commands: what they look like. What they do is loaded when they run, so that `--help` answers at once.
 */

import type { Command, Option } from "./command.ts";

/** An option as it is used: its name, and what stands for its value where it isn't a flag. */
function option(usage: string, help: string, more: Pick<Option, "negated" | "most"> = {}): Option {
  const [name = "", value] = usage.split(" ");
  return { name, value, help, ...more };
}

/** The option that says which of several checkpoints is meant. */
function from(where: string, most?: number): Option {
  return option("from LAYOUT", `fairseq2, reference, meta, huggingface or gguf, where ${where}`, { most });
}

/** Converts a LLaMA checkpoint, as fairseq2 has it. */
const llamaConvertCommand: Command = {
  words: ["llama", "convert_checkpoint"],
  aliases: ["convert-checkpoint"],
  summary:
    "Convert a LLaMA checkpoint between fairseq2, the reference layout, Meta's, Hugging Face's and GGUF.",
  details: [
    "The model is what --model names, else what the model.yaml beside or above the checkpoint says, " +
    "else the one architecture that the shapes fit. The weights are checked against it before anything " +
    "is written.",
    "The output is built in <output>.partial and gets its name when it is whole. A run that was stopped " +
    "goes on when the same command is run again.",
  ],
  positionals: [
    {
      name: "input",
      help: "The checkpoint, of any layout: its directory, a directory of steps, a model.pt or .gguf",
    },
    { name: "output", help: "The directory to make; it may exist if it is empty" },
  ],
  options: [
    option("model NAME", "An architecture, a model card, or the path of a model.yaml"),
    option("to LAYOUT", "reference (the default), meta, huggingface, fairseq2, or gguf"),
    from("<input> holds checkpoints of several"),
    option("step N", "The step, where <input> holds several (default: the newest complete one)"),
    option("shards N", "Write N tensor-parallel shards (default: as many as the input has)"),
    option("dtype DTYPE", "Cast to bfloat16, float16 or float32, or quantize to q8_0 (gguf) (default: keep)"),
    option("max-shard-size SIZE", "Split files of weights at SIZE, such as 5GB (huggingface, gguf)"),
    option(
      "tokenizer PATH",
      "A tokenizer.model to convert, or a directory with a tokenizer (huggingface, gguf)",
    ),
    option("no-tokenizer", "Leave the tokenizer that lies beside the input (huggingface, gguf)"),
    option("tokenizer-pre NAME", "llama.cpp's name for how texts are split before they are tokenized (gguf)"),
    option("instruct", "It is an instruct model, though nothing says so (not reference, meta)"),
    option("layout LAYOUT", "legacy (0.2–0.4, the default) or native (0.5 and later) (fairseq2)"),
    option(
      "ignore-config FIELD",
      "An unknown field of the model.yaml that changes nothing in what is computed (repeatable)",
      { most: Infinity },
    ),
    option("dry-run", "Show what would be done; write nothing"),
    option("json", "Print the summary, or the dry run, as JSON on stdout"),
    option("quiet", "Print nothing but errors"),
    option("jobs N", "Copy with N workers (default: 2, or 1 on a single core)"),
    option("clone", "Never share blocks with the input; write everything anew", { negated: true }),
    option("verify", "Read every file back when it is written, and compare checksums"),
    option("sync", "Flush everything to the disk before the output gets its name"),
    option("restart", "Begin anew, instead of going on from what an earlier run left"),
    option("task I/N", "Make the I-th of N shares of the files; N processes make them all"),
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
  run: async (args, context) =>
    (await import("./run_convert.ts")).runConvert(args, context, { to: "reference", family: "llama" }),
};

/** The same for any family. */
const convertCommand: Command = {
  ...llamaConvertCommand,
  words: ["convert"],
  aliases: [],
  summary: "Convert a checkpoint between fairseq2, the reference layout, Meta's, Hugging Face's and GGUF.",
  options: llamaConvertCommand.options.map((option) =>
    option.name === "to"
      ? { ...option, help: "huggingface (the default), reference, meta, fairseq2, or gguf" }
      : option
  ),
  examples: [
    ["run/checkpoints/step_1000 hf", "for transformers and vLLM, by the model.yaml above the checkpoint"],
    ["--dry-run run/checkpoints/step_1000 hf", "what would be written"],
    ["--to gguf --tokenizer tokenizer.model run/checkpoints gguf", "for llama.cpp and Ollama"],
    [
      "--to fairseq2 --layout native --shards 2 hf checkpoints",
      "back to fairseq2 0.5 or later, in two shards",
    ],
    ["--to reference --step 1000 run/checkpoints out", "the reference layout of a certain step"],
  ],
  run: async (args, context) =>
    (await import("./run_convert.ts")).runConvert(args, context, { to: "huggingface" }),
};

const inspectCommand: Command = {
  words: ["inspect"],
  summary: "Show what a checkpoint, or any torch, safetensors or GGUF file, is and holds.",
  details: [
    "Only tables of contents are read, and nothing in them is run. Of a file on a web server some " +
    "kilobytes are read.",
    "With --globals the exit code is 1 if a pickle could not be read to its end, since it may name " +
    "more.",
  ],
  positionals: [{
    name: "path",
    help: "A checkpoint's directory, a file, or the URL of a file (http, https)",
  }],
  options: [
    option("tensors", "List all tensors, instead of a tree that folds repeated layers"),
    option("globals", "List what the pickles name, and whether torch's weights_only allows it"),
    from("<path> holds checkpoints of several"),
    option("json", "Print it as JSON on stdout"),
  ],
  examples: [
    ["run/checkpoints/step_1000", "what fairseq2 saved"],
    ["https://example.org/model.safetensors", "without downloading it"],
    ["--globals model.pth", "what loading it would import"],
  ],
  run: async (args, context) => (await import("./run_inspect.ts")).runInspect(args, context),
};

const compareCommand: Command = {
  words: ["compare"],
  summary: "Say whether two checkpoints are the same model: names, shapes and bits.",
  details: [
    "Models are compared whatever their layouts, shards and names are; anything else by the names of " +
    "its tensors.",
    "The exit code is 0 if they are the same, 1 if they differ, and 2 if they could not be compared.",
  ],
  positionals: [
    { name: "a", help: "A checkpoint's directory, or a file" },
    { name: "b", help: "Another" },
  ],
  options: [
    option(
      "tolerance X",
      "Compare numbers, of any dtypes, and let them differ by up to X; show how far they do",
    ),
    from("a directory holds several; twice for <a> and <b>", 2),
    option("json", "Print what came of it as JSON on stdout"),
    option("quiet", "Print nothing but errors"),
    option("jobs N", "Read with N workers (default: 2, or 1 on a single core)"),
  ],
  failureCode: 2,
  examples: [
    ["run/checkpoints/step_1000 hf", "before and after a conversion"],
    ["--tolerance 1e-3 float32 bfloat16", "how much a cast has changed"],
  ],
  run: async (args, context) => (await import("./run_compare.ts")).runCompare(args, context),
};

const verifyCommand: Command = {
  words: ["verify"],
  summary: "Check that a checkpoint is whole and undamaged, and the model that it says it is.",
  details: [
    "Every file of tensors is read: the checksums that it states, its records within it and apart from " +
    "each other, and each tensor within its storage. Of a model the state dict must be complete, and " +
    "params.json, config.json or model.yaml must speak of these weights.",
    'Only torch\'s zip format states checksums: of any other the word is "readable", since numbers that ' +
    "changed are numbers. --sums prints what to know them by, in the format of sha256sum, which checks " +
    "it as well (run it in the directory that was given); --against compares. Tensors' sums are " +
    "comments to sha256sum.",
    "The exit code is 0 if nothing is wrong, else 1.",
  ],
  positionals: [{ name: "path", help: "A checkpoint's directory, or a file" }],
  options: [
    from("<path> holds checkpoints of several"),
    option("sums", "Print the SHA-256 of each file that nothing is wrong with, as sha256sum does"),
    option("tensors", "With --sums: print that of each tensor too"),
    option("against SUMS", "Compare all files with the sums in this file"),
    option("json", "Print what came of it as JSON on stdout"),
    option("quiet", "Print nothing but what is wrong"),
    option("jobs N", "Read with N workers (default: 2, or 1 on a single core)"),
  ],
  examples: [
    ["run/checkpoints/step_1000", "before it is converted or copied away"],
    ["consolidated.00.pth", "one file"],
    ["--sums hf > SHA256SUMS", "before it is sent away"],
    ["--against SHA256SUMS hf", "where it has arrived"],
  ],
  run: async (args, context) => (await import("./run_verify.ts")).runVerify(args, context),
};

const modelsCommand: Command = {
  words: ["models"],
  summary: "List the published models whose names --model takes.",
  details: [
    "A model is also found by the name that it has on the Hugging Face hub, such as meta-llama/Llama-3.2-1B-Instruct.",
  ],
  positionals: [],
  options: [option("json", "Print them as JSON on stdout")],
  examples: [["", "all of them"]],
  run: async (args) => (await import("./run_models.ts")).runModels(args),
};

export const commands: readonly Command[] = [
  convertCommand,
  llamaConvertCommand,
  inspectCommand,
  compareCommand,
  verifyCommand,
  modelsCommand,
];
