import { PickleFloat, type PickleValue, Tuple } from "../pickle/mod.ts";

/** The longest part of a name, in characters. What is longer is cut. */
const MAX_CHARACTERS = 500;

/** A key of a dict as a part of a dotted name: text as it is, all else much as Python prints it. */
export function keyText(key: PickleValue): string {
  const text = textOf(key);
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

function textOf(key: PickleValue): string {
  if (typeof key === "string") return key;
  if (typeof key === "number" || typeof key === "bigint") return String(key);
  if (key === null) return "None";
  if (key === true) return "True";
  if (key === false) return "False";
  if (key instanceof PickleFloat) {
    return Number.isInteger(key.value) ? key.value.toFixed(1) : String(key.value);
  }
  if (key instanceof Uint8Array) return new TextDecoder("latin1").decode(key.subarray(0, MAX_CHARACTERS));
  if (key instanceof Tuple) {
    // Nested no deeper than one level: a name is no place for more.
    const items = key.items.map((item) =>
      item instanceof Tuple ? "(…)" : typeof item === "string" ? `'${item}'` : textOf(item)
    );
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  return `<${key.constructor.name}>`;
}
