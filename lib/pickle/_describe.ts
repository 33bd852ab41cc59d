import { ByteArray, FrozenSet, Global, PersistentId, PickleFloat, Reduction, Tuple } from "./value.ts";

/** Names the Python type of a value, or the JavaScript type of what stands for no Python value, for messages. */
export function describe(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "str";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (value instanceof PickleFloat) return "float";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof ByteArray) return "bytearray";
  if (value instanceof Tuple) return "tuple";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  if (value instanceof Set) return "set";
  if (value instanceof FrozenSet) return "frozenset";
  if (value instanceof Global) return "global";
  if (value instanceof Reduction) return "reduction";
  if (value instanceof PersistentId) return "persistent id";
  return `JavaScript ${typeof value}`;
}
