/** Terminals: colours, and how wide lines may be. */

import { colors } from "../deps.ts";

/** Puts text into a style. */
export type Style = Readonly<Record<keyof typeof colors, (text: string) => string>>;

const plain = (text: string) => text;
const none: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

/** The style for an output stream. `Deno.noColor` honours NO_COLOR and needs no permission. */
export function styleFor(stream: { isTerminal(): boolean }): Style {
  return !Deno.noColor && stream.isTerminal() ? colors : none;
}

/** The narrowest terminal that lines are fitted to. */
const LEAST_COLUMNS = 20;

/**
 * The columns of the terminal that an output stream goes to; `Infinity` of any other, whose lines may be of any length.
 */
export function widthOf(stream: { isTerminal(): boolean }): number {
  if (!stream.isTerminal()) return Infinity;
  try {
    return Math.max(LEAST_COLUMNS, Deno.consoleSize().columns);
  } catch {
    return 80; // Another stream's terminal is asked, which may be none.
  }
}
