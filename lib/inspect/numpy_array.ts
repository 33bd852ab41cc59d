/**
 * Arrays as `numpy.save` writes them, by themselves or as records of an `.npz` archive: of objects they are pickles
 * behind a header, and `numpy.load(allow_pickle=True)` runs them (numpy 2.4 `lib/_format_impl.py` `read_array`).
 */

/** How much of an array has to be known to tell what it is, in bytes. Headers are 118 bytes, but for long dtypes. */
export const ARRAY_START_BYTES = 4096;

/** The fewest bytes that an array has. */
export const LEAST_ARRAY_BYTES = 12;

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY

/** A header of plain items, just as numpy writes it. Python reads others, in which an `O` for objects can hide. */
const PLAIN_HEADER =
  /^\{'descr': '[<>|=][biufcSUVmM](\d+)(?:\[\w+\])?', 'fortran_order': (?:True|False), 'shape': \(((?:\d+, ?)*(?:\d+)?)\), \} *\n$/;

/** An array's header. */
interface ArrayHeader {
  /** Where the items start, or the pickle of them, in bytes. */
  readonly dataAt: number;
  /** Where plain items end; `undefined` if they may be objects. */
  readonly end: number | undefined;
}

/** The header of an array, from its first {@linkcode ARRAY_START_BYTES} or fewer; `undefined` of anything else. */
export function readArrayHeader(start: Uint8Array): ArrayHeader | undefined {
  if (start.length < LEAST_ARRAY_BYTES || !MAGIC.every((byte, i) => start[i] === byte)) return undefined;
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const [textAt, length] = start[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const dataAt = textAt + length;
  const text = new TextDecoder("latin1").decode(start.subarray(textAt, dataAt));
  const match = dataAt <= start.length ? PLAIN_HEADER.exec(text) : null;
  if (match === null) return { dataAt, end: undefined };
  const sizes = match[2]!.split(",").filter((size) => size.trim() !== "").map(Number);
  const itemBytes = Number(match[1]) * (/'[<>|=]U/.test(text) ? 4 : 1);
  return { dataAt, end: dataAt + sizes.reduce((product, size) => product * size, itemBytes) };
}
