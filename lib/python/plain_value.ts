import { PythonFloat } from "./python_number.ts";

/** A value that is to be printed as it would be read: floats are numbers. */
export function plainValue(value: unknown): unknown {
  if (value instanceof PythonFloat) return value.value;
  if (Array.isArray(value)) return value.map(plainValue);
  return value instanceof Map ? new Map([...value].map(([key, item]) => [key, plainValue(item)])) : value;
}
