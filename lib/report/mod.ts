/**
 * Pages to look at, of what `inspect`, `statistics` and the comparisons found.
 *
 * @module
 */

export { type CheckpointReport, type ComparisonReport, renderReport } from "./report.ts";
