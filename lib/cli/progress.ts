/** Progress: a line that is redrawn on a terminal, one plain line for each finished file elsewhere. */

import type { CopyProgress } from "../copy/copy_engine.ts";
import { formatBytes, formatSeconds } from "./format.ts";
import { say } from "./print.ts";
import { styleFor, widthOf } from "./terminal.ts";

/** Shows how far a copy has come, on stderr. */
interface ProgressDisplay extends Disposable {
  /** Shows the state given. */
  update(progress: CopyProgress): void;
}

const CLEAR_LINE = "\r\x1b[K";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** The rate is that of the last few seconds, so that a slow start is forgotten. */
const RATE_WINDOW_MS = 5000;

/** Starts to show progress. Disposing of it leaves the terminal as it was. */
export function showProgress(quiet: boolean): ProgressDisplay {
  if (quiet) return { update: () => {}, [Symbol.dispose]: () => {} };
  return Deno.stderr.isTerminal() ? terminalProgress() : plainProgress();
}

function plainProgress(): ProgressDisplay {
  let isComparing = false;
  return {
    update(progress) {
      const { finished, files, totalFiles, totalBytes } = progress;
      if (finished !== undefined) say(`${finished} done (${files} of ${totalFiles} files)`);
      if (progress.isComparing && !isComparing) {
        say(`comparing what is there already (${formatBytes(totalBytes)})`);
      }
      isComparing = progress.isComparing ?? false;
    },
    [Symbol.dispose]: () => {},
  };
}

function terminalProgress(): ProgressDisplay {
  const style = styleFor(Deno.stderr);
  const marks: { at: number; bytes: number; sent: number }[] = [];
  let drawn = false;
  const write = (text: string) => {
    try {
      Deno.stderr.writeSync(new TextEncoder().encode(text));
    } catch {
      // The terminal went away. The work goes on.
    }
  };
  return {
    update(progress) {
      const { bytes, sent, totalBytes, files, totalFiles, isComparing = false } = progress;
      const now = performance.now();
      if (bytes < (marks.at(-1)?.bytes ?? 0)) marks.length = 0; // Something else is counted now.
      marks.push({ at: now, bytes, sent: sent ?? 0 });
      while (marks.length > 2 && now - marks[0]!.at > RATE_WINDOW_MS) marks.shift();
      const first = marks[0]!;
      const perSecond = (amount: number) => now > first.at ? amount / ((now - first.at) / 1000) : 0;
      const rate = perSecond(bytes - first.bytes);
      const share = totalBytes === 0 ? 1 : bytes / totalBytes;
      const facts = [
        `${Math.floor(share * 100)}%`.padStart(4),
        `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
        ...(isComparing ? ["comparing what is there"] : []),
        ...(totalFiles > 1 && !isComparing
          ? [`file ${Math.min(files + 1, totalFiles)} of ${totalFiles}`]
          : []),
        ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
        ...(sent === undefined ? [] : [`sent ${formatBytes(perSecond(sent - first.sent))}/s`]),
        ...(rate > 0 ? [`${formatSeconds((totalBytes - bytes) / rate)} left`] : []),
      ].join("  ");
      const columns = widthOf(Deno.stderr);
      const width = columns - facts.length - 4;
      const bar = width >= 10 ? `${progressBar(share, Math.min(width, 30))} ` : "";
      write(
        `${drawn ? "" : HIDE_CURSOR}${CLEAR_LINE}${style.cyan(bar)}${facts.slice(0, columns - 1)}`,
      );
      drawn = true;
    },
    [Symbol.dispose]() {
      if (drawn) write(CLEAR_LINE + SHOW_CURSOR);
    },
  };
}

function progressBar(share: number, width: number): string {
  const full = Math.round(share * width);
  return "━".repeat(full) + "╌".repeat(width - full);
}
