/**
 * The errors that a user can meet. Each message is one line that says what is wrong, where, and what to do.
 *
 * @module
 */

/** The base class of every error that ckpt reports on purpose; anything else that is thrown is a bug. */
export class CheckpointError extends Error {
  /** Makes an error with a one-line message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A file that isn't what its format demands, or that uses a part of the format which ckpt refuses. */
export class FormatError extends CheckpointError {}

/** Weights that don't fit the model they are said to be: a missing, unknown or misshapen parameter. */
export class MismatchError extends CheckpointError {}

/** A file or directory that can't be found, read or written, or that changed while it was read. */
export class FileError extends CheckpointError {}

/** A choice by the caller that can't be carried out, such as an unknown model name. */
export class OptionError extends CheckpointError {}

/** The work was cancelled through an `AbortSignal`. */
export class CancelledError extends CheckpointError {
  /** Whether finished files were kept, from which the same work goes on when it is started again. */
  isResumable = false;
}
