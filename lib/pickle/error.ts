/** A pickle that can't be read: malformed, past a limit, or with an opcode that has no meaning here. */
export class PickleError extends SyntaxError {
  /** Where in the pickle, in bytes from its start: the offset of the opcode at fault. */
  readonly offset: number;
  /**
   * Whether no reader can go on from here: there is no such opcode, or the input, the stack or the memo lacks what it
   * needs. If not, it is a limit or a rule of this reader's, and others may run what comes behind.
   */
  readonly isFatal: boolean;

  /** Makes an error about the opcode at `offset`. */
  constructor(message: string, offset: number, isFatal = false) {
    super(`${message} (at byte ${offset} of the pickle)`);
    this.name = "PickleError";
    this.offset = offset;
    this.isFatal = isFatal;
  }
}
