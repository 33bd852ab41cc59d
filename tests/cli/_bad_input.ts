import { assertEquals } from "@std/assert";
import { ckpt, CONVERT } from "../_ckpt.ts";
import { snapshot, TempDir } from "../_temp.ts";
import { CheckpointCopy } from "../_torch_files.ts";

/** A bad input, or a bad call: what is done to a checkpoint, and what the program says of it. */
export interface BadInput {
  /** What is wrong, in words. */
  readonly what: string;
  /** The shared checkpoint to start from; a LLaMA 3 one in one file by default. */
  readonly case?: string;
  /** Spoils the checkpoint; returns the message, and the arguments where they aren't the usual ones. */
  spoil(copy: CheckpointCopy, temp: TempDir): string | Spoiled;
}

/** What the program is called with, and what it says. */
export interface Spoiled {
  readonly message: string;
  /** The input; the step directory by default. */
  readonly input?: string;
  /** The output; `out` in the temporary directory by default. */
  readonly output?: string;
  readonly options?: readonly string[];
  /** The exit code; 1 by default. */
  readonly code?: number;
}

/**
 * Tests that the program refuses bad input: with an exit code and one line on stderr, with nothing left behind and
 * all that was there untouched.
 */
export function testBadInput({ what, case: name = "fairseq2-0.3.0/llama3_bf16", spoil }: BadInput): void {
  Deno.test(`ckpt llama convert_checkpoint refuses ${what}`, async () => {
    using temp = new TempDir();
    const copy = new CheckpointCopy(name, temp.at("in"));
    const spoiled = spoil(copy, temp);
    const { message, input = copy.step, output = temp.at("out"), options = [], code = 1 } =
      typeof spoiled === "string" ? { message: spoiled } : spoiled;
    const before = snapshot(temp.path);
    const run = await ckpt([...CONVERT, "--quiet", ...options, input, output]);
    assertEquals(run, { code, stdout: "", stderr: `error: ${message}\n` });
    assertEquals(snapshot(temp.path), before);
  });
}
