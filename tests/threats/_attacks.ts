/**
 * Files that would hide what they run: each names a function that loading it looks up.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { NewRecord } from "../../lib/torch/archive_layout.ts";
import { renderArchive } from "../fuzz/_torch_mutator.ts";
import { ascii, global, pickle, repeat, u32, u64 } from "../pickle/assemble.ts";
import { tarHeader } from "../torch/_tar.ts";
import { buildZip, concat } from "../torch/_zip.ts";
import { CANARY } from "./_canary.ts";

const canary = global(CANARY.module, CANARY.name);

/** A pickle that calls the canary. */
export const call = pickle(canary, "EMPTY_TUPLE", "REDUCE", "STOP");

const MAGIC = pickle("LONG1", 10, Uint8Array.fromHex("6cfc9c46f9206aa85019"));

/** A pickle of what some opcodes make, behind others that take no part in it. */
const padded = (...parts: Parameters<typeof pickle>) => (padding: Uint8Array) =>
  pickle(padding, ...parts, "STOP");

/** The five pickles of a legacy file; the first and the fourth may be others. */
export function legacy(
  root: Uint8Array,
  magic = pickle(MAGIC, "STOP"),
  version: Uint8Array = new Uint8Array(0),
) {
  const facts = pickle("EMPTY_DICT", "STOP");
  const number = pickle(version, "BININT2", 0xe9, 3, "STOP");
  return concat(magic, number, facts, root, pickle("EMPTY_LIST", "STOP"));
}

/** A pickle whose first bytes read as the length of a header, and whose byte 8 is a brace. */
function braced(): Uint8Array {
  const bytes = pickle("SHORT_BINBYTES", 9, new Uint8Array(6), ascii("{}{"), call, new Uint8Array(3000));
  assertEquals([...bytes.subarray(1, 9)], [9, 0, 0, 0, 0, 0, 0, 0x7b]);
  return bytes;
}

/**
 * A safetensors file by every rule that is a pickle as well: the bytes of its length are an opcode that takes as many
 * bytes as bring it into a text of the header, from where others lead to the bytes of its one tensor.
 */
export function polyglot(): Uint8Array<ArrayBuffer> {
  // BINBYTES (0x42) of 69 bytes, as which the length begins, ends at byte 66 of the header.
  const skip = 69;
  const length = 0x42 + 256 * skip;
  const before = skip - 3;
  // SHORT_BINBYTES of 126 bytes, again and again; what is left is a multiple of that.
  const hop = `C~${"x".repeat(0x7e)}`;
  const shape = call.length;
  const head = '{"__metadata__":{"a":"';
  const tail = `"},"w":{"dtype":"U8","shape":[${shape}],"data_offsets":[0,${shape}]}}`;
  const text = "x".repeat(before - head.length) + hop.repeat((length - before) / hop.length);
  const header = head + text.slice(0, -tail.length) + tail;
  assertEquals(header.length, length);
  return concat(u32(length), u32(0), ascii(header), call);
}

/** An archive with this data.pkl, and records before it. */
export function archiveWith(data: Uint8Array, before: readonly NewRecord[] = []): Uint8Array {
  const version = { name: "version", bytes: ascii("3\n") };
  return renderArchive([...before, { name: "data.pkl", bytes: data }, version], "m");
}

/** An array of one item as `numpy.save` writes it. */
export function arrayOf(dtype: string, data: Uint8Array): Uint8Array {
  const header = `{'descr': ${dtype}, 'fortran_order': False, 'shape': (1,), }`.padEnd(117) + "\n";
  return concat(Uint8Array.of(0x93), ascii("NUMPY"), Uint8Array.of(1, 0, 118, 0), ascii(header), data);
}

export interface Attack {
  readonly what: string;
  readonly name?: string;
  readonly bytes: Uint8Array;
  /** Which loaders run it. */
  readonly runBy: string;
  /** Whether the canary is listed, and whether the result is complete; or the message of an error. */
  readonly found: "listed" | "listed, not complete" | "not complete" | string;
}

const everywhere = "torch;torch, from memory;pickle;pickle, unbuffered;numpy";
const byTorch = "torch;torch, from memory";

export const attacks: readonly Attack[] = [
  { what: "a pickle with a brace at byte 8", bytes: braced(), runBy: everywhere, found: "listed" },
  {
    what: "a pickle that is named as safetensors are",
    name: "model.safetensors",
    bytes: call,
    runBy: "torch, from memory;pickle;pickle, unbuffered;numpy",
    found: "listed",
  },
  {
    what: "a safetensors file that is a pickle",
    name: "model.safetensors",
    bytes: polyglot(),
    runBy: "torch, from memory;pickle;pickle, unbuffered;numpy",
    found: "listed",
  },
  {
    what: "a pickle behind a thousand others",
    bytes: concat(repeat(1000, "NONE", "STOP"), call),
    runBy: "pickle;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "a magic number behind padding, and a long integer before the call",
    bytes: legacy(
      call,
      padded(MAGIC)(repeat(40, "NONE", "POP")),
      pickle("LONG4", u32(70_000), new Uint8Array(70_000), "POP"),
    ),
    runBy: byTorch + ";pickle;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "a magic number behind padding, and many tuples before the call",
    bytes: legacy(
      call,
      padded(MAGIC)(repeat(400, "NONE", "POP")),
      pickle(repeat(200_000, "NONE", "TUPLE1", "POP")),
    ),
    runBy: byTorch + ";pickle;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "a call that is made before the magic number is compared",
    bytes: call,
    runBy: everywhere,
    found: "listed",
  },
  {
    what: "a call in the second pickle of a legacy file",
    bytes: legacy(pickle("NONE", "STOP"), undefined, pickle(call.subarray(0, -1), "POP")),
    runBy: byTorch + ";pickle;pickle, unbuffered",
    found: "listed",
  },
  {
    what: "a call in the last pickle of a legacy file",
    bytes: concat(legacy(pickle("NONE", "STOP")).subarray(0, -2), call),
    runBy: byTorch + ";pickle;pickle, unbuffered",
    found: "listed, not complete",
  },
  {
    what: "another legacy file behind a legacy file",
    bytes: concat(legacy(pickle("EMPTY_DICT", "STOP")), legacy(call)),
    runBy: "pickle;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "a legacy file that is a tar archive",
    bytes: tarOf(new Map([["storages", call]]), pickle(MAGIC, "STOP", ascii("N."))),
    runBy: "torch",
    found: "is a tar archive, as torch's first releases wrote them, whose pickles ckpt doesn't read; " +
      "load it with torch, if you trust it, and torch.save it again",
  },
  {
    what: "a frame that runs on past the end of a legacy file's pickle",
    bytes: (() => {
      const benign = concat(
        ascii("."),
        legacy(pickle("NONE", "STOP")).subarray(MAGIC.length + 1),
      );
      const magic = pickle("PROTO", 4, "FRAME", u64(BigInt(MAGIC.length + benign.length)), MAGIC, benign);
      return concat(magic, legacy(call).subarray(MAGIC.length + 1));
    })(),
    runBy: "torch, from memory;pickle;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "an argument that crosses the end of a frame",
    bytes: pickle(
      ...["PROTO" as const, 4, "FRAME" as const, u64(3n), "SHORT_BINUNICODE" as const, 40],
      // Where the rest of the frame is lost, STOP is the last byte of the argument.
      ...[ascii("x".repeat(40)), "STOP" as const, "POP" as const, call],
    ),
    runBy: "torch, from memory;pickle, unbuffered",
    found: "not complete",
  },
  {
    what: "BUILD of a list, which changes nothing",
    bytes: pickle("EMPTY_LIST", "NONE", "BUILD", "POP", call),
    runBy: everywhere,
    found: "not complete",
  },
  {
    what: "APPENDS to a byte array",
    bytes: pickle("BYTEARRAY8", u64(0n), "MARK", "BININT1", 1, "APPENDS", "POP", call),
    runBy: everywhere,
    found: "not complete",
  },
  {
    what: "SETITEM of a list",
    bytes: pickle("EMPTY_LIST", "NONE", "APPEND", "BININT1", 0, "NONE", "SETITEM", "POP", call),
    runBy: everywhere,
    found: "not complete",
  },
  {
    what: "a text of 5 MiB before the call",
    bytes: pickle("BINUNICODE", u32(5 * 2 ** 20), new Uint8Array(5 * 2 ** 20).fill(97), "POP", call),
    runBy: everywhere,
    found: "not complete",
  },
  {
    what: "25 MiB before the call",
    bytes: pickle("BINBYTES", u32(25 * 2 ** 20), new Uint8Array(25 * 2 ** 20), "POP", call),
    runBy: everywhere,
    found: "not complete",
  },
  {
    what: "25 MiB before the call, in an archive",
    bytes: archiveWith(pickle("BINBYTES", u32(25 * 2 ** 20), new Uint8Array(25 * 2 ** 20), "POP", call)),
    runBy: byTorch,
    found: "not complete",
  },
  {
    what: "a data.pkl in an archive",
    bytes: archiveWith(call),
    runBy: byTorch,
    found: "listed",
  },
  {
    what: "a data.pkl of more opcodes than are read",
    bytes: archiveWith(pickle(repeat(200_000, "NONE", "POP"), call)),
    runBy: byTorch,
    found: "not complete",
  },
  {
    what: "DATA.PKL before data.pkl",
    bytes: archiveWith(pickle("EMPTY_DICT", "STOP"), [{ name: "DATA.PKL", bytes: call }]),
    runBy: byTorch,
    found: "m/DATA.PKL: is data.pkl in other letters, which torch takes for that",
  },
  {
    what: "an array of objects, as numpy saves it",
    name: "x.npy",
    bytes: arrayOf("'|O'", call),
    runBy: "numpy",
    found: "listed",
  },
  {
    what: "an array of objects whose dtype is spelled otherwise",
    name: "x.npy",
    bytes: arrayOf("'|\\x4f'", call),
    runBy: "numpy",
    found: "listed",
  },
  {
    what: "an array of objects behind one of numbers",
    name: "x.npy",
    bytes: concat(arrayOf("'|u1'", Uint8Array.of(1)), arrayOf("'|O'", call)),
    runBy: "",
    found: "not complete",
  },
  {
    what: "an array of objects in an archive of torch's",
    bytes: archiveWith(pickle("EMPTY_DICT", "STOP"), [{ name: "data/0", bytes: arrayOf("'|O'", call) }]),
    runBy: "numpy",
    found: "listed",
  },
  {
    what: "an archive that begins as an empty one does, for numpy",
    bytes: buildZip([{ name: "m/x.npy", data: arrayOf("'|O'", call) }], { prefix: ascii("PK\x05\x06") }),
    runBy: "numpy",
    found: "the zip archive can't be read (prepended data); it is truncated or damaged, so copy it again",
  },
];

/** A tar archive whose first entry's name begins with some bytes; then come the other entries. */
export function tarOf(files: ReadonlyMap<string, Uint8Array>, start: Uint8Array): Uint8Array {
  const entry = (name: Uint8Array, data: Uint8Array) => {
    const header = new Uint8Array(148);
    header.set(name);
    header.set(ascii(data.length.toString(8).padStart(11, "0")), 124);
    return concat(tarHeader(header), data, new Uint8Array(-data.length & 511));
  };
  const entries = [...files].map(([name, data]) => entry(ascii(name), data));
  return concat(entry(start, new Uint8Array(0)), ...entries, new Uint8Array(1024));
}
