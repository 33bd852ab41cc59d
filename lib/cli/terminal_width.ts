/**
 * How wide lines may be.
 *
 * @module
 */

/** The narrowest terminal that lines are fitted to. */
const LEAST_COLUMNS = 20;

/**
 * The columns of the terminal that an output stream goes to.
 *
 * @param stream The stream.
 * @returns Their number, or `Infinity` where the stream goes anywhere else and lines may be as long as they are.
 */
export function widthOf(stream: { isTerminal(): boolean }): number {
  if (!stream.isTerminal()) return Infinity;
  try {
    return Math.max(LEAST_COLUMNS, Deno.consoleSize().columns);
  } catch {
    return 80; // Another stream's terminal is asked, which may be none.
  }
}
