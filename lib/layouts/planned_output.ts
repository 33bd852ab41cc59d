import type { OutputFile } from "../copy/plan.ts";

/** What an output layout makes of a checkpoint. */
export interface PlannedOutput {
  /** The files. */
  readonly files: readonly OutputFile[];
  /** What a user should be told: what the layout can't say, and what was taken instead. */
  readonly notes: readonly string[];
}
