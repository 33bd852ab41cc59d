/** A checkpoint's pickle, read under torch's own rules of what it may name. */

import { FormatError } from "../error.ts";
import { type Global, PickleError } from "../pickle/mod.ts";
import { isAllowedGlobal } from "./allowed_globals.ts";

/** Told of every global that a pickle names, and of the offset of the opcode in bytes. It throws to refuse one. */
export type GlobalListener = (global: Global, offset: number) => void;

/** Makes a listener that throws a {@linkcode FormatError} for every global that torch's `weights_only=True` refuses. */
export function refuseGlobals(where: string): GlobalListener {
  return (global, offset) => {
    if (isAllowedGlobal(global.module, global.name)) return;
    throw new FormatError(
      `${where}: names ${global} at byte ${offset}, which no model's weights need; ` +
        "ckpt runs nothing from a file, so save the weights alone (a state dict)",
    );
  };
}

/** Reads a pickle; a {@linkcode FormatError} says where it is if it can't be read. */
export function readingPickle<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    throw new FormatError(`${where}: ${error.message}; copy the file again`);
  }
}
