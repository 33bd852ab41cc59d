/**
 * Reads and writes Python pickles without Python, and without running what they ask for.
 *
 * @module
 */

export { PickleError, type PickleProblem } from "./error.ts";
export { DEFAULT_PICKLE_LIMITS, MAX_OPCODES, type PickleLimits } from "./limits.ts";
export { opcodeName, OPCODES } from "./opcodes.ts";
export {
  type GlobalList,
  listGlobals,
  type NamedGlobal,
  type PickleRead,
  readPickle,
  readPickleFrom,
  type ReadPickleOptions,
} from "./reader.ts";
export {
  ByteArray,
  FrozenSet,
  Global,
  PersistentId,
  PickleFloat,
  type PickleValue,
  Reduction,
  type ReductionKind,
  Tuple,
} from "./value.ts";
export { writePickle } from "./writer.ts";
