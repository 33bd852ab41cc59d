/** All real checkpoints of models that llama.cpp computes, each with what fairseq2 computed from it. */

import { join } from "../../lib/deps.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { familyCases, filesOf } from "../convert/_families.ts";
import { cases as llamaCases, stepOf } from "../convert/_layouts.ts";

/** A checkpoint that fairseq2 wrote. */
export interface TruthCase {
  readonly name: string;
  /** The directory of its step. */
  readonly step: string;
  /** The file of tokens and logits, where there is one. */
  readonly logits?: string;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function kase(name: string, step: string, logits: string): TruthCase {
  return { name, step, ...(isFile(logits) && { logits }) };
}

/** All cases. */
export const truthCases: readonly TruthCase[] = [
  ...llamaCases.map((name) =>
    kase(name.replace("/", " "), stepOf(name), join(CHECKPOINTS, "expected", name, "logits.pt"))
  ),
  ...familyCases.map((each) => kase(each.name, filesOf(each).step, filesOf(each).logits)),
];
