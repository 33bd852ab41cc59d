/**
 * The commands: what they look like. What they do is loaded when they run, so that `--help` answers at once. A
 * command's help has to fit a screen: an option has one line of 80 columns.
 */

import { castTypes } from "../bytes/view.ts";
import { dtypes, layouts, type Target, targets } from "../convert/target.ts";
import { shells } from "./completions.ts";
import type { Command, Option } from "./command.ts";

/** An option as it is used: its name, and what stands for its value where it isn't a flag. */
function option(usage: string, help: string, more: Omit<Option, "name" | "value" | "help"> = {}): Option {
  const [name = "", value] = usage.split(" ");
  return { name, value, help, ...more };
}

/** Options that are listed together. */
function group(title: string, options: readonly Option[]): Option[] {
  return options.map((option) => ({ ...option, group: title }));
}

/** The option that says which of several checkpoints is meant. */
function from(help: string, most?: number): Option {
  return option("from LAYOUT", help, { most, choices: targets });
}

const JSON_HELP = "Print it as JSON on stdout";
const READERS = option("jobs N", "Read with N workers (default: 2, or 1 on a single core)");

/** The options of a conversion that writes a layout where `--to` says nothing. */
function convertOptions(to: Target): Option[] {
  const others = targets.filter((each) => each !== to).join(", ");
  return [
    ...group("What is read", [
      option("model NAME", "A model (ckpt models lists them) or a model.yaml", { names: "model" }),
      from("Take the checkpoint of this layout, of several there"),
      option("step N", "Take this step, of several (default: the newest)"),
      option("instruct", "It is an instruct model, though nothing says so"),
      option("ignore-config FIELD", "Pass over this unknown field of the model.yaml, too", {
        most: Infinity,
      }),
    ]),
    ...group("What is written", [
      option("to LAYOUT", `${to} (default), ${others}`, { choices: targets }),
      option("layout LAYOUT", "legacy (fairseq2 0.2-0.4; default), native (0.5 on)", { choices: layouts }),
      option("dtype DTYPE", "Cast to bfloat16, float16, float32, or q8_0 (gguf)", { choices: dtypes }),
      option("shards N", "Tensor-parallel shards (default: as many as there are)"),
      option("max-shard-size SIZE", "Split at this size, as 5GB (huggingface, gguf)"),
      option("tokenizer PATH", "A tokenizer.model or a directory (huggingface, gguf)", { names: "path" }),
      option("no-tokenizer", "Leave the tokenizer that lies beside the input"),
      option("card", "Write no model card (README.md) (huggingface)", { negated: true }),
      option("tokenizer-pre NAME", "llama.cpp's name for how texts are split (gguf)"),
    ]),
    ...group("How", [
      ...writing,
      option("restart", "Begin anew, not from what a stopped run left"),
      option("task I/N", "Make the I-th of N shares; N processes make them all"),
    ]),
  ];
}

/** The options of what writes tensors. */
const writing: readonly Option[] = [
  option("dry-run", "Show what would be done; write nothing"),
  option("json", "Print the summary, or the dry run, as JSON"),
  option("quiet", "Print nothing but errors"),
  option("jobs N", "Copy with N workers (default: 2; 1 on a single core)"),
  option("clone", "Never share blocks with the input", { negated: true }),
  option("verify", "Read what was written back, and compare checksums"),
  option("sync", "Flush to the disk before the output gets its name"),
];

/** The option for a page. */
const html = option("html FILE", "Make a page of it, too, to open in a browser");

/** Converts a LLaMA checkpoint, as fairseq2 has it. */
const llamaConvertCommand: Command = {
  words: ["llama", "convert_checkpoint"],
  aliases: ["convert-checkpoint"],
  summary: "Convert a LLaMA checkpoint, as fairseq2 had it.",
  details: [
    "Without --model, the model.yaml beside or above the checkpoint says the model, " +
    "or its shapes do. A run that was stopped goes on when the same command is run again.",
  ],
  positionals: [
    { name: "input", help: "A checkpoint's directory, a directory of steps, or a file" },
    { name: "output", help: "The directory to make, which may exist if it is empty; or s3://bucket/prefix" },
  ],
  options: convertOptions("reference"),
  examples: [
    ["--model llama3_2_1b run/checkpoints out", "a 1B model that fairseq2 trained"],
    ["--to huggingface run/checkpoints hf", "for transformers and vLLM"],
    ["--shards 8 --step 1000 run/checkpoints out", "eight shards of a certain step"],
  ],
  run: async (args, context) =>
    (await import("./run_convert.ts")).runConvert(args, context, { to: "reference", family: "llama" }),
};

/** The same for any family. */
const convertCommand: Command = {
  ...llamaConvertCommand,
  words: ["convert"],
  aliases: [],
  summary: "Convert a checkpoint into another layout.",
  options: convertOptions("huggingface"),
  examples: [
    ["run/checkpoints/step_1000 hf", "for transformers and vLLM"],
    ["--to gguf --tokenizer tokenizer.model run/checkpoints gguf", "for llama.cpp and Ollama"],
    ["--to fairseq2 --layout native hf checkpoints", "back to fairseq2 0.5 or later"],
  ],
  run: async (args, context) =>
    (await import("./run_convert.ts")).runConvert(args, context, { to: "huggingface" }),
};

const inspectCommand: Command = {
  words: ["inspect"],
  summary: "Show what a checkpoint or a file of tensors holds.",
  details: [
    "Only tables of contents are read, and nothing in them is run. Of a file on a web server some " +
    "kilobytes are read. With --globals the exit code is 1 if a pickle could not be read to its end, " +
    "since it may name more.",
  ],
  positionals: [{ name: "path", help: "A checkpoint's directory, a file, or a file's URL (http, https)" }],
  options: [
    option("tensors", "List all tensors, instead of a tree that folds layers"),
    option("globals", "List what the pickles name, and whether weights_only allows it"),
    from("Take the checkpoint of this layout, of several in <path>"),
    html,
    option("json", JSON_HELP),
  ],
  examples: [
    ["run/checkpoints/step_1000", "what fairseq2 saved"],
    ["--html report.html run/checkpoints/step_1000", "as a page to look at"],
    ["https://example.org/model.safetensors", "without downloading it"],
    ["--globals model.pth", "what loading it would import"],
  ],
  run: async (args, context) => (await import("./run_inspect.ts")).runInspect(args, context),
};

const compareCommand: Command = {
  words: ["compare"],
  summary: "Say whether two checkpoints are the same model.",
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
    option("stats", "Show how far each tensor has moved from <a> to <b>"),
    option("tolerance X", "Let numbers differ by up to X, in any dtypes; show how far"),
    from("Take this layout, of several there; twice for <a> and <b>", 2),
    option("html FILE", "With --stats: make a page of it, too, to open in a browser"),
    option("json", JSON_HELP),
    option("quiet", "Print nothing but errors"),
    READERS,
  ],
  failureCode: 2,
  examples: [
    ["run/checkpoints/step_1000 hf", "before and after a conversion"],
    ["--tolerance 1e-3 float32 bfloat16", "how much a cast has changed"],
    ["--stats base tuned", "what training has changed"],
  ],
  run: async (args, context) => (await import("./run_compare.ts")).runCompare(args, context),
};

const statsCommand: Command = {
  words: ["stats"],
  summary: "Show what the numbers of a checkpoint are like, and which tensors stand out.",
  details: [
    "All numbers are read. A row is a kind of tensor, whose standard deviation is shown over the layers: a " +
    "bar in the middle is that of most layers, and each step up or down is a factor of 1.4.",
    "Models are joined out of their shards, and have fairseq2's names. Numbers that GGUF quantizes are seen " +
    "as those that they stand for.",
    "With --fail-on the exit code is 1 if there is one of these; it is 2 if the checkpoint can't be read.",
  ],
  positionals: [{ name: "path", help: "A checkpoint's directory, or a file" }],
  options: [
    option("all", "Show every tensor, with a histogram of its exponents"),
    option("fail-on WHAT", "nan, inf, zero-rows, or several with commas between"),
    from("Take the checkpoint of this layout, of several in <path>"),
    html,
    option("json", JSON_HELP),
    option("quiet", "Print nothing but errors"),
    READERS,
  ],
  failureCode: 2,
  examples: [
    ["run/checkpoints/step_1000", "is it well?"],
    ["--fail-on nan,inf --quiet run/checkpoints/step_1000", "in a script"],
    ["--json hf > stats.json", "for a notebook"],
  ],
  run: async (args, context) => (await import("./run_stats.ts")).runStats(args, context),
};

const verifyCommand: Command = {
  words: ["verify"],
  summary: "Check that a checkpoint is whole and undamaged.",
  details: [
    "Every file of tensors is read: the checksums that it states, its records within it and apart from " +
    "each other, and each tensor within its storage. Of a model the state dict must be complete, and " +
    "params.json, config.json or model.yaml must speak of these weights.",
    'Only torch\'s zip format states checksums: of any other the word is "readable". --sums prints what ' +
    "to know it by, as sha256sum does, which checks it as well (run it in the directory that was given).",
    "The exit code is 0 if nothing is wrong, else 1.",
  ],
  positionals: [{ name: "path", help: "A checkpoint's directory, or a file" }],
  options: [
    from("Take the checkpoint of this layout, of several in <path>"),
    option("sums", "Print the SHA-256 of each file that nothing is wrong with"),
    option("tensors", "With --sums: print that of each tensor too"),
    option("against SUMS", "Compare all files with the sums in this file", { names: "path" }),
    option("values", "Look for numbers that are NaN or infinite, too"),
    option("json", JSON_HELP),
    option("quiet", "Print nothing but what is wrong"),
    READERS,
  ],
  examples: [
    ["run/checkpoints/step_1000", "before it is converted or copied away"],
    ["--sums hf > SHA256SUMS", "before it is sent away"],
    ["--against SHA256SUMS hf", "where it has arrived"],
  ],
  run: async (args, context) => (await import("./run_verify.ts")).runVerify(args, context),
};

const convertTensorsCommand: Command = {
  words: ["tensors", "convert"],
  summary: "Convert tensors between torch and safetensors files.",
  details: [
    "Of a torch file the dict is taken that all tensors are in, or of several the one called model, " +
    "_model, state_dict, model_state_dict or module; --key names another. What is left out is said.",
    "In a name * stands for any characters and ? for one; in a new name they stand for what they stood " +
    "for in the old one. Each tensor is renamed by the first --rename that fits its name.",
    "safetensors has neither shared storages nor strides: what has them is written out, and that is said.",
  ],
  positionals: [
    { name: "input", help: "A torch, safetensors or GGUF file, or a checkpoint's directory" },
    { name: "output", help: "The file to make: its ending says the format (.safetensors, .pt, .pth, .bin)" },
  ],
  options: [
    ...group("What is read", [
      option("key KEY", "The dict in a torch file, as state_dict; . for all"),
      from("Take the checkpoint of this layout, of several there"),
      option("step N", "Take this step, of several (default: the newest)"),
      option("only NAME", "Take the tensors of this name, as layers.*", { most: Infinity }),
      option("drop NAME", "Leave the tensors of this name, as *.inv_freq", { most: Infinity }),
    ]),
    ...group("What is written", [
      option("rename FROM=TO", "Give tensors other names, as model.*=*", { most: Infinity }),
      option("dtype DTYPE", "Cast floats to bfloat16, float16 or float32", { choices: castTypes }),
      option("max-shard-size SIZE", "Make a directory of safetensors files of this size"),
    ]),
    ...group("How", [
      ...writing,
    ]),
  ],
  examples: [
    ["pytorch_model.bin model.safetensors", "for who takes no pickles"],
    ["--rename 'model.*=*' --dtype bf16 in.pt out.pt", "other names, half the size"],
    ["--key state_dict lightning.ckpt weights.safetensors", "out of a checkpoint of Lightning"],
  ],
  run: async (args, context) => (await import("./run_tensors.ts")).runConvertTensors(args, context),
};

const modelsCommand: Command = {
  words: ["models"],
  summary: "List the models whose names --model takes.",
  details: [
    "A model is also found by the name that it has on the Hugging Face hub, such as " +
    "meta-llama/Llama-3.2-1B-Instruct.",
  ],
  positionals: [],
  options: [option("json", "Print them as JSON on stdout")],
  examples: [["", "all of them"]],
  run: async (args) => (await import("./run_models.ts")).runModels(args),
};

const completionsCommand: Command = {
  words: ["completions"],
  summary: "Print what completes commands in a shell.",
  details: ["It has the names of models, and goes on with the names of files."],
  positionals: [{ name: "shell", help: "bash, zsh or fish", choices: shells }],
  options: [],
  examples: [["bash > ~/.local/share/bash-completion/completions/ckpt", "for bash, from the next one on"]],
  run: async (args) => (await import("./run_completions.ts")).runCompletions(args, commands),
};

const manCommand: Command = {
  words: ["man"],
  summary: "Print the manual page.",
  details: [],
  positionals: [],
  options: [],
  examples: [["> ~/.local/share/man/man1/ckpt.1", "for man ckpt"], ["| man -l -", "once"]],
  run: async () => (await import("./run_completions.ts")).runMan(commands),
};

export const commands: readonly Command[] = [
  convertCommand,
  llamaConvertCommand,
  inspectCommand,
  compareCommand,
  statsCommand,
  verifyCommand,
  convertTensorsCommand,
  modelsCommand,
  completionsCommand,
  manCommand,
];
