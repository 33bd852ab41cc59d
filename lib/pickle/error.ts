/**
 * The kinds of problems:
 *
 * - `"malformed"`: no reader can go on. There is no such opcode, or the stack or the memo lacks what it needs.
 * - `"ends"`: the input ends. No reader can go on either, if that was all of it.
 * - `"refused"`: a limit or a rule of this reader's. Others may go on, and run what comes behind.
 */
export type PickleProblem = "malformed" | "ends" | "refused";

/** A pickle that can't be read: malformed, past a limit, or with an opcode that has no meaning here. */
export class PickleError extends SyntaxError {
  /**
   * Makes an error about the opcode at `offset`.
   *
   * @param message What is wrong.
   * @param offset Where in the pickle, in bytes from its start: the offset of the opcode at fault.
   * @param problem What kind of problem it is.
   * @param needs How many bytes the input would have to have, at least, where it is known that it has too few.
   */
  constructor(
    message: string,
    readonly offset: number,
    readonly problem: PickleProblem,
    readonly needs?: number,
  ) {
    super(`${message} (at byte ${offset} of the pickle)`);
    this.name = "PickleError";
  }
}
