/**
 * Colours, on terminals only. `Deno.noColor` honours NO_COLOR and needs no permission.
 *
 * @module
 */

import { colors } from "../deps.ts";

/** Puts text into a style. */
export type Style = Readonly<Record<keyof typeof colors, (text: string) => string>>;

const plain = (text: string) => text;
const none: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

/**
 * The style for an output stream.
 *
 * @param stream The stream; anything but a terminal gets plain text.
 */
export function styleFor(stream: { isTerminal(): boolean }): Style {
  return !Deno.noColor && stream.isTerminal() ? colors : none;
}
