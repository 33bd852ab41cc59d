/**
 * Archives that torch's reader takes for others than a reader by the letter would: what torch 2.13 makes of them, and
 * that ckpt refuses all of them.
 */

import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { FormatError } from "../../lib/error.ts";
import {
  Global,
  PersistentId,
  type PickleValue,
  Reduction,
  Tuple,
  writePickle,
} from "../../lib/pickle/mod.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { renderArchive } from "../fuzz/_torch_mutator.ts";
import { buildZip, concat, le, memorySource, text, type ZipRecord } from "../torch/_zip.ts";

/** A pickle of one float32 in storage `key`, under a name. */
function pickleOf(name: string, key: PickleValue = "0"): Uint8Array {
  const storage = new PersistentId(new Tuple("storage", new Global("torch", "FloatStorage"), key, "cpu", 1));
  const hooks = new Reduction(new Global("collections", "OrderedDict"), new Tuple());
  const args = new Tuple(storage, 0, new Tuple(1), new Tuple(1), false, hooks);
  const tensor = new Reduction(new Global("torch._utils", "_rebuild_tensor_v2"), args);
  return writePickle(new Map([[name, tensor]]));
}

const float = (value: number) => new Uint8Array(new Float32Array([value]).buffer);

const good: readonly ZipRecord[] = [
  { name: "m/data.pkl", data: pickleOf("a") },
  { name: "m/byteorder", data: text("little") },
  { name: "m/data/0", data: float(1) },
  { name: "m/version", data: text("3\n") },
];

const [first, ...rest] = good as [ZipRecord, ...ZipRecord[]];

/** The good records, one of them changed. */
function changed(name: string, change: Partial<ZipRecord>): ZipRecord[] {
  return good.map((record) => record.name === name ? { ...record, ...change } : record);
}

const other: ZipRecord = { name: "m/data.pkl", data: pickleOf("other") };

/** The end records of a zip64 archive: the record, its locator, the plain one. */
const locator = (at: number) => le([0x07064b50, 4], [0, 4], [at, 8], [1, 4]);

/**
 * An archive that says one thing by its plain end record, and another by a zip64 one that lies in a storage, to which
 * something that is no locator points: the comment or an extra field of its last entry.
 */
function twoDirectories(where: "comment" | "extra"): Uint8Array {
  // The hidden archive, with the offsets that it has where it lies.
  const hidden = buildZip([other, ...rest]);
  const build = (at: number) => {
    const field = where === "comment" ? locator(at) : concat(le([0x4646, 2], [20, 2]), locator(at));
    const records = [{ name: "m/data/hidden", data: hidden }, ...good];
    return buildZip(
      records.map((record, i) => i < good.length ? record : { ...record, directory: { [where]: field } }),
      { zip64: false },
    );
  };
  const start = 30 + "m/data/hidden".length;
  const bytes = build(start + hidden.length - 98);
  const view = new DataView(bytes.buffer);
  const directory = start + Number(view.getBigUint64(start + hidden.length - 98 + 48, true));
  view.setBigUint64(start + hidden.length - 98 + 48, BigInt(directory), true);
  for (let p = directory; view.getUint32(p, true) === 0x02014b50;) {
    view.setUint32(p + 42, view.getUint32(p + 42, true) + start, true);
    p += 46 + view.getUint16(p + 28, true) + view.getUint16(p + 30, true) + view.getUint16(p + 32, true);
  }
  return bytes;
}

/** An entry with two zip64 fields that name two places: those of data.pkl, and of another one behind it. */
function twoPlaces(): Uint8Array {
  const hidden = 30 + "m/data/x".length;
  const inner = concat(
    le([0x04034b50, 4], [0, 2], [0x800, 2], [0, 6], [0, 12], [10, 2], [0, 2]),
    text("m/data.pkl"),
    other.data,
  );
  const at = hidden + inner.length;
  const field = (place: number) => le([1, 2], [8, 2], [place, 8]);
  return buildZip([
    { name: "m/data/x", data: inner },
    {
      ...first,
      data: concat(first.data, new Uint8Array(other.data.length - first.data.length)),
      directory: { headerAt: 0xffffffff, extra: concat(field(hidden), field(at)) },
    },
    ...rest,
  ]);
}

/** An archive whose data.pkl has another name in a field for names, and another record that name. */
function twoNames(): Uint8Array {
  const path = (raw: string, name: string) =>
    le([0x7075, 2], [5 + name.length, 2], [1, 1], [crc32(text(raw)), 4], text(name));
  const named = (record: ZipRecord, raw: string, name: string): ZipRecord => ({
    ...record,
    name: raw,
    local: { name, flags: 0 },
    directory: { flags: 0, extra: path(raw, name) },
  });
  return buildZip([named(first, "m/x", "m/data.pkl"), named(other, "m/data.pkl", "m/x"), ...rest]);
}

const differOnlyInCase =
  "the archive has two records whose names differ only in case, which torch takes for one";
const noPlainPath = "is no plain path, so torch didn't write it";
const odd = (name: string, what: string) =>
  `${name}: ${what}, which torch never writes and others read differently; ` +
  "unpack the file and pack it again without compression (zip -0)";
const contradict = "the zip archive can't be read (its end records contradict each other); " +
  "it is truncated or damaged, so copy it again";

/** What the archive is, what torch makes of it, and what ckpt says. */
const cases: [what: string, bytes: Uint8Array, torch: string, message: string][] = [
  [
    "DATA.PKL before data.pkl",
    buildZip([{ name: "m/DATA.PKL", data: pickleOf("other") }, ...good]),
    "other 1",
    "m/DATA.PKL: is data.pkl in other letters, which torch takes for that",
  ],
  [
    "DATA/0 behind data/0",
    buildZip([...good, { name: "m/DATA/0", data: float(2) }]),
    "a 1",
    `m/DATA/0: ${differOnlyInCase}`,
  ],
  [
    "DATA/0 before data/0",
    buildZip([first, { name: "m/DATA/0", data: float(2) }, ...rest]),
    "a 1",
    "m/DATA/0: is data/0 in other letters, which torch takes for that",
  ],
  [
    "DATA/0 behind data/0 and three more",
    buildZip([
      ...good,
      { name: "m/DATA/0", data: float(2) },
      ...["x", "y", "z"].map((name) => ({
        name: `m/${name}`,
        data: float(3),
      })),
    ]),
    "a 2",
    `m/DATA/0: ${differOnlyInCase}`,
  ],
  [
    "DATA.PKL alone",
    buildZip(changed("m/data.pkl", { name: "m/DATA.PKL" })),
    "a 1",
    "is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  [
    "DATA/0 alone",
    buildZip(changed("m/data/0", { name: "m/DATA/0" })),
    "a 1",
    "m/DATA/0: is data/0 in other letters, which torch takes for that",
  ],
  [
    "BYTEORDER alone",
    buildZip(changed("m/byteorder", { name: "m/BYTEORDER", data: text("big") })),
    "a 4.600602988224807e-41",
    "m/BYTEORDER: is byteorder in other letters, which torch takes for that",
  ],
  [
    "two records of one name",
    renderArchive(
      [...good, { name: "m/data/0", data: float(2) }].map(({ name, data }) => ({
        name: name.slice(2),
        bytes: data,
      })),
      "m",
    ),
    "a 1",
    "m/data/0: the archive has two records of this name",
  ],
  [
    "a NUL in a name",
    buildZip([...good, { name: "m/data/0\0", data: float(2) }]),
    "a 1",
    `m/data/0\0: ${noPlainPath}`,
  ],
  [
    "a NUL in a key",
    buildZip([{ name: "m/data.pkl", data: pickleOf("a", "0\0x") }, ...rest, {
      name: "m/data/0\0x",
      data: float(2),
    }]),
    "a 1",
    `m/data/0\0x: ${noPlainPath}`,
  ],
  [
    "TorchScript's record with a NUL behind",
    buildZip([...good, { name: "m/constants.pkl\0", data: text("x") }]),
    "RuntimeError",
    `m/constants.pkl\0: ${noPlainPath}`,
  ],
  [
    "TorchScript's record",
    buildZip([...good, { name: "m/constants.pkl", data: text("x") }]),
    "RuntimeError",
    "is a TorchScript archive, which holds a program; load it with torch.jit.load and torch.save its state_dict()",
  ],
  [
    "a slash twice",
    buildZip([...good, { name: "m//data/0", data: float(2) }]),
    "a 1",
    `m//data/0: ${noPlainPath}`,
  ],
  [
    "a dot for a folder",
    buildZip([...good, { name: "m/./data/0", data: float(2) }]),
    "a 1",
    `m/./data/0: ${noPlainPath}`,
  ],
  [
    "a backslash",
    buildZip([...good, { name: "m/data\\0", data: float(2) }]),
    "a 1",
    `m/data\\0: ${noPlainPath}`,
  ],
  [
    "a name of 512 bytes",
    buildZip([...good, { name: `m/${"x".repeat(510)}`, data: float(2) }]),
    "a 1",
    `m/${"x".repeat(98)}: has more than 511 bytes, which is as far as torch reads names`,
  ],
  [
    "a second folder",
    buildZip([...good, { name: "n/x", data: float(2) }]),
    "RuntimeError",
    "n/x: lies outside the archive's folder m, so torch didn't write it",
  ],
  [
    "the folder in other letters",
    buildZip([...good, { name: "M/x", data: float(2) }]),
    "RuntimeError",
    "M/x: lies outside the archive's folder m, so torch didn't write it",
  ],
  [
    "no folder",
    buildZip(good.map((record) => ({ ...record, name: record.name.slice(2) }))),
    "RuntimeError",
    "is a zip archive without data.pkl, so torch didn't write it; name a .pt file",
  ],
  [
    "a folder without a name",
    buildZip(good.map((record) => ({ ...record, name: record.name.slice(1) }))),
    "a 1",
    "the zip archive can't be read (unsafe filename); it is truncated or damaged, so copy it again",
  ],
  [
    "a storage that is marked as a directory",
    buildZip(changed("m/data/0", { directory: { attributes: 0x10, made: 0x031e } })),
    "a ?",
    "m/data/0: is a directory, so torch didn't write the archive",
  ],
  [
    "a flag that others refuse",
    buildZip(changed("m/data/0", { directory: { flags: 0x0880 } })),
    "a 1",
    odd("m/data/0", "the record has the flags 0x880"),
  ],
  [
    "a record on another disk",
    buildZip(changed("m/data/0", { directory: { disk: 1 } })),
    "a 1",
    odd("m/data/0", "the record lies on another disk"),
  ],
  [
    "another archive in the comment of an entry",
    twoDirectories("comment"),
    "other 1",
    odd("m/version", "the record has a comment"),
  ],
  ["another archive in an extra field", twoDirectories("extra"), "other 1", contradict],
  [
    "two places for one record",
    twoPlaces(),
    "other 1",
    odd("m/data.pkl", "the record has two extra fields of one kind"),
  ],
  [
    "two names for one record",
    twoNames(),
    "other 1",
    odd("m/data.pkl", "the record has another name in its directory's bytes"),
  ],
  [
    "data behind",
    concat(buildZip(good), text("x")),
    "a 1",
    "the zip archive can't be read (appended data); " +
    "it is truncated or damaged, so copy it again",
  ],
  [
    "a comment of a length that isn't there",
    (() => {
      const bytes = buildZip(good, { zip64: false });
      bytes[bytes.length - 2] = 1;
      return bytes;
    })(),
    "a 1",
    "the zip archive can't be read (a comment or other data at its end); it is truncated or damaged, so copy it again",
  ],
];

for (const [what, bytes, , message] of cases) {
  Deno.test(`openTorchFile() refuses an archive with ${what}`, async () => {
    await assertFailsAsync(() => openTorchFile(memorySource(bytes)), FormatError, `file.pt: ${message}`);
  });
}

const PROGRAM = `
import sys, torch, warnings
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    try:
        [(name, tensor)] = torch.load(path, weights_only=True).items()
        print(name, repr(tensor.item()).removesuffix(".0"))
    except Exception as error:
        print(type(error).__name__)
`;

Deno.test({
  name: "torch reads these archives as the table of docs/threats.md says (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const paths = cases.map(([, bytes], i) => {
      Deno.writeFileSync(temp.at(`${i}.pt`), bytes);
      return temp.at(`${i}.pt`);
    });
    const lines = (await runPython(PROGRAM, paths)).trimEnd().split("\n");
    assertEquals(
      // What isn't read is whatever was in memory.
      lines.map((line, i) => cases[i]![2] === "a ?" ? line.replace(/ .*/, " ?") : line),
      cases.map(([, , torch]) => torch),
    );
  },
});
