import type { OutputFile } from "../copy/plan.ts";
import type { SourceFile } from "../bytes/source.ts";

/** What an output layout makes of a checkpoint. */
export interface PlannedOutput {
  /** The files. */
  readonly files: readonly OutputFile[];
  /** Files that they are copied from besides the checkpoint's own. */
  readonly sources?: readonly SourceFile[];
  /** What a user should be told: what the layout can't say, and what was taken instead. */
  readonly notes: readonly string[];
}
