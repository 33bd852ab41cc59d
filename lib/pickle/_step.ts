import { PickleError, type PickleProblem } from "./error.ts";
import { opcodeName } from "./opcodes.ts";

/** The opcode that is being read: what an error is about. */
export class Step {
  code = 0;
  /** Where the opcode stands, in bytes from the start of the pickle. */
  offset = 0;

  /**
   * Makes an error about this opcode.
   *
   * @param needs How many bytes the input would have to have, at least.
   */
  error(reason: string, problem: PickleProblem = "refused", needs?: number): PickleError {
    return new PickleError(`Cannot read ${opcodeName(this.code)}: ${reason}`, this.offset, problem, needs);
  }

  /** Makes an error about the opcode that should stand here, where the input ends. */
  end(): PickleError {
    return new PickleError("Cannot read pickle: it ends before STOP", this.offset, "ends");
  }
}
