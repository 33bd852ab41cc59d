/** A pickle that can't be read: malformed, past a limit, or with an opcode that has no meaning here. */
export class PickleError extends SyntaxError {
  /** Where in the pickle, in bytes from its start: the offset of the opcode at fault. */
  readonly offset: number;

  /** Makes an error about the opcode at `offset`. */
  constructor(message: string, offset: number) {
    super(`${message} (at byte ${offset} of the pickle)`);
    this.name = "PickleError";
    this.offset = offset;
  }
}
