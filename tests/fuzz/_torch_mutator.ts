/**
 * Damages torch files where a blind change would be caught by a checksum: in the pickle, with its CRC-32 made right
 * again, in the directory alone, or by putting records of different files together.
 *
 * @module
 */

import { completeLiterals } from "../../lib/copy/literals.ts";
import type { Random } from "../copy/_random.ts";
import { layoutArchive, type NewRecord } from "../../lib/torch/archive_layout.ts";
import { OPCODES } from "../../lib/pickle/mod.ts";
import { walkArchive, type WalkedRecord } from "../torch/_fixtures.ts";
import { mutate } from "./_mutator.ts";

/** A real file of torch's, and its records where it is an archive. */
export interface TorchSeed {
  readonly bytes: Uint8Array;
  readonly records: readonly WalkedRecord[];
}

/** Takes a real file apart. */
export function torchSeed(bytes: Uint8Array): TorchSeed {
  return { bytes, records: bytes[0] === 0x50 ? walkArchive(bytes) : [] };
}

const names = [
  ..."torch._utils _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter collections OrderedDict".split(
    " ",
  ),
  ..."torch FloatStorage HalfStorage UntypedStorage torch.storage Size storage cpu cuda:0 0 1 model".split(
    " ",
  ),
];

/** Opcodes, and pieces of pickles that torch writes. */
export const PICKLE_WORDS: readonly Uint8Array[] = [
  ...Object.values(OPCODES).map((code) => Uint8Array.of(code)),
  ...names.map((name) =>
    Uint8Array.of(OPCODES.SHORT_BINUNICODE, name.length, ...new TextEncoder().encode(name))
  ),
  ...[
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "ctorch\nLongStorage\n",
    "ccollections\nOrderedDict\n)R",
    "(K\x02K\x03t",
  ]
    .map((text) => new TextEncoder().encode(text)),
];

/** Damages a torch file. */
export function mutateTorch(random: Random, seeds: readonly TorchSeed[]): Uint8Array {
  const { bytes, records } = random.pick(seeds);
  const others = () => [random.pick(seeds).bytes, bytes];
  const kind = records.length === 0 ? 0 : random.integer(0, 9);
  // A legacy file is a pickle at its start.
  if (records.length === 0) {
    const options = { others: others(), words: PICKLE_WORDS };
    return mutate(random, bytes, random.integer(0, 3) === 0 ? options : { ...options, to: 3000 });
  }
  if (kind <= 1) return mutate(random, bytes, { others: others() });
  const last = records.at(-1)!;
  if (kind === 2) return mutate(random, bytes, { others: others(), from: last.dataAt + last.data.length });
  if (kind === 3) {
    const { headerAt, dataAt } = random.pick(records);
    return mutate(random, bytes, { others: others(), from: headerAt, to: dataAt });
  }
  const stem = records[0]!.name.split("/")[0]!;
  let made: NewRecord[] = records.map(({ name, data }) => ({
    name: name.slice(stem.length + 1),
    bytes: data,
  }));
  if (kind <= 8) {
    const other = random.pick(seeds).records[0]?.data ?? records[0]!.data;
    const pickle = mutate(random, records[0]!.data, {
      others: [other, records[0]!.data],
      words: PICKLE_WORDS,
      from: 2,
    });
    made[0] = { name: "data.pkl", bytes: pickle };
  } else {
    const from = random.pick(seeds).records.map(({ name, data }) => ({
      name: name.slice(name.indexOf("/") + 1),
      bytes: data,
    }));
    const i = random.integer(0, made.length - 1);
    const taken = from.length === 0 ? made[i]! : random.pick(from);
    switch (random.integer(0, 4)) {
      case 0:
        made[i] = taken;
        break;
      case 1:
        made.push(taken);
        break;
      case 2:
        made = made.filter((_, j) => j !== i);
        break;
      case 3:
        made[i] = {
          ...made[i]!,
          name: random.pick(["data/0", "data.pkl", "DATA.PKL", "data/00", "", "../x", "\0"]),
        };
        break;
      default:
        [made[0], made[i]] = [made[i]!, made[0]!];
    }
  }
  return renderArchive(made, random.integer(0, 9) === 0 ? "other" : stem);
}

/** The file that records come to. */
export function renderArchive(records: readonly NewRecord[], stem: string): Uint8Array {
  const layout = layoutArchive(records, { stem });
  const file = new Uint8Array(layout.size);
  for (const { at, bytes } of completeLiterals(layout, [])) file.set(bytes, at);
  return file;
}
