/**
 * Colours, on terminals only. `Deno.noColor` honours NO_COLOR and needs no permission.
 *
 * @module
 */

/** Puts text into a style. */
export interface Style {
  /** Bold. */
  bold(text: string): string;
  /** Dim. */
  dim(text: string): string;
  /** Red. */
  red(text: string): string;
  /** Green. */
  green(text: string): string;
  /** Yellow. */
  yellow(text: string): string;
  /** Cyan. */
  cyan(text: string): string;
}

/**
 * The style for an output stream.
 *
 * @param stream The stream; anything but a terminal gets plain text.
 */
export function styleFor(stream: { isTerminal(): boolean }): Style {
  const on = !Deno.noColor && stream.isTerminal();
  const style = (open: number, close: number) => (text: string) =>
    on ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
    cyan: style(36, 39),
  };
}
