/** Terminals: colours, and how wide lines may be. */

import { colors } from "../deps.ts";

/** Puts text into a style. */
export type Style = Readonly<Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", Painter>>;

type Painter = (text: string) => string;

/**
 * Colours out of the 240 that are the same on every terminal, unlike the first 16: each can be read on white and on
 * black.
 */
export const COLOURS = { dim: 243, red: 161, green: 28, yellow: 130, cyan: 31 } as const;

const paint = (colour: number): Painter => (text) => colors.rgb8(text, colour);

const coloured: Style = {
  bold: colors.bold,
  dim: paint(COLOURS.dim),
  red: paint(COLOURS.red),
  green: paint(COLOURS.green),
  yellow: paint(COLOURS.yellow),
  cyan: paint(COLOURS.cyan),
};

const plain: Painter = (text) => text;
const none: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

/** The style for an output stream. `Deno.noColor` honours NO_COLOR and needs no permission. */
export function styleFor(stream: { isTerminal(): boolean }): Style {
  return !Deno.noColor && stream.isTerminal() ? coloured : none;
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
