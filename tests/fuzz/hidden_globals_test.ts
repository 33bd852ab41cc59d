/**
 * Random files that carry a name, against torch, Python and numpy: where any of them looks it up, `inspectGlobals()` lists
 * it, says that it didn't read all, or refuses the file.
 *
 * `CKPT_FUZZ=N` tries N files instead of a few.
 */

import { assert, assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { CheckpointError } from "../../lib/error.ts";
import { inspectGlobals } from "../../lib/inspect/globals.ts";
import { OPCODES } from "../../lib/pickle/mod.ts";
import { python } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { Random } from "../copy/_random.ts";
import { ascii, global, pickle, u32, u64 } from "../pickle/assemble.ts";
import { fileOf } from "../safetensors/_files.ts";
import { archiveWith, arrayOf, attacks, call, legacy, tarOf } from "../threats/_attacks.ts";
import { CANARY, whoRuns } from "../threats/_canary.ts";
import { buildZip, concat, le } from "../torch/_zip.ts";
import { mutate } from "./_mutator.ts";

const FILES = Number(Deno.env.get("CKPT_FUZZ") ?? 600);
const SEED = 20_260_202;

/** Attacks that are small enough to be made again and again. */
const seeds = attacks.map(({ bytes }) => bytes).filter(({ length }) => length < 40_000);

const words = [
  ...Object.values(OPCODES).map((code) => Uint8Array.of(code)),
  ...[call, call.subarray(0, -1), ascii("N."), ascii("("), pickle("PROTO", 4), pickle("PROTO", 2)],
  ...[1, 3, 20, 200].map((length) => pickle("FRAME", u64(BigInt(length)))),
];

/** A part of a program for the unpickler: mostly one that makes sense. */
function part(random: Random): Uint8Array {
  const small = () => random.integer(0, 5);
  const parts: (() => Uint8Array)[] = [
    () => pickle(global(CANARY.module, CANARY.name)),
    () => pickle("SHORT_BINUNICODE", 11, ascii(CANARY.module), "SHORT_BINUNICODE", 3, ascii("run")),
    () => pickle("STACK_GLOBAL"),
    () => pickle("EMPTY_TUPLE"),
    () => pickle("REDUCE"),
    () => pickle("MARK"),
    () => pickle(random.pick(["EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "NONE", "NEWTRUE"] as const)),
    () => pickle(random.pick(["APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"] as const)),
    () => pickle(random.pick(["TUPLE", "TUPLE1", "TUPLE2", "LIST", "DICT", "FROZENSET"] as const)),
    () => pickle(random.pick(["POP", "POP_MARK", "DUP", "MEMOIZE", "OBJ", "NEWOBJ", "NEWOBJ_EX"] as const)),
    () => pickle(random.pick(["BINPUT", "BINGET", "BININT1", "PROTO"] as const), small()),
    () => pickle("FRAME", u64(BigInt(random.integer(0, 40)))),
    () => pickle("BINBYTES", u32(small()), new Uint8Array(small())),
    () => pickle("BYTEARRAY8", u64(BigInt(small())), new Uint8Array(small())),
    () => pickle("SHORT_BINBYTES", small(), new Uint8Array(small())),
    () =>
      ascii(
        random.pick([
          "I1\n",
          "L5L\n",
          "F1.5\n",
          "g0\n",
          "p1\n",
          "Va\n",
          "S'a'\n",
          "P1\n",
          "I01\n",
          "L_\n",
          "I\0\n",
          "F 1\n",
        ]),
      ),
    () => ascii(`(i${CANARY.module}\n${CANARY.name}\n`),
    () => pickle("STOP"),
    () => pickle("BINPERSID"),
    () => pickle(random.pick(words)),
  ];
  return random.pick(parts)();
}

/** What CPython makes something of, and ckpt doesn't. */
const tricks: readonly Uint8Array[] = [
  pickle("EMPTY_LIST", "NONE", "BUILD", "POP"),
  pickle("BYTEARRAY8", u64(0n), "MARK", "BININT1", 1, "APPENDS", "POP"),
  pickle("EMPTY_LIST", "NONE", "APPEND", "BININT1", 0, "NONE", "SETITEM", "POP"),
  pickle("LONG4", u32(70_000), new Uint8Array(70_000), "POP"),
  pickle("SHORT_BINBYTES", 1, 1, "READONLY_BUFFER", "POP"),
  ascii("I1\0\n0"),
  ascii("I\0x\n0"),
  ascii("F1_0\n0"),
  ascii("I 1\n0"),
  ascii("F1.\0\n0"),
  pickle("FRAME", u64(3n), "NONE", "POP", "NONE", "POP"),
  pickle("FRAME", u64(3n), "SHORT_BINUNICODE", 9, ascii("123456789"), "POP"),
];

/** A call behind a trick, behind pickles that do nothing. */
function tricky(random: Random): Uint8Array {
  const harmless = Array.from({ length: random.integer(0, 5) }, () => ascii("N."));
  const before = random.integer(0, 2) === 0 ? pickle("PROTO", 4) : new Uint8Array(0);
  const more = random.integer(0, 3) === 0 ? part(random) : new Uint8Array(0);
  return concat(...harmless, before, random.pick(tricks), more, call);
}

function program(random: Random): Uint8Array {
  const parts = Array.from({ length: random.integer(1, 14) }, () => part(random));
  return concat(...parts, random.integer(0, 2) === 0 ? call : ascii("."));
}

/** Pickles one after the other, some of them those of a legacy file. */
function stream(random: Random): Uint8Array {
  const pickles = Array.from({ length: random.integer(1, 6) }, () => program(random));
  switch (random.integer(0, 3)) {
    case 0:
      return legacy(program(random), undefined, random.integer(0, 1) === 0 ? undefined : part(random));
    case 1:
      return concat(legacy(ascii("N.")), ...pickles);
    default:
      return concat(...pickles);
  }
}

/** An archive whose records may be taken for others: by their names, or by what fields say twice. */
function archive(random: Random): Uint8Array {
  const names = [
    "data.pkl",
    "data.pkl",
    "data.pkl",
    "DATA.pkl",
    "data.PKL",
    "Data.pkl",
    "data.pkl\0",
    "./data.pkl",
    "/data.pkl",
    "x",
    "version",
  ];
  const stems = ["m", "M", "m/m", "", "."];
  const stem = random.integer(0, 9) === 0 ? random.pick(stems) : "m";
  const name = () => `${random.integer(0, 9) === 0 ? random.pick(stems) : stem}/${random.pick(names)}`;
  let at = 0;
  const records = Array.from({ length: random.integer(1, 4) }, () => {
    const here = at;
    const raw = name();
    const data = random.integer(0, 2) === 0 ? ascii("N.") : call;
    const other = random.integer(0, 2) === 0 ? random.pick(["m/data.pkl", name()]) : raw;
    at += 30 + other.length + data.length;
    const zip64 = (place: number) => le([1, 2], [8, 2], [place, 8]);
    const path = (name: string) =>
      le([0x7075, 2], [5 + name.length, 2], [1, 1], [crc32(ascii(raw)), 4], ascii(name));
    const directory = random.pick([
      {},
      {},
      { attributes: 0x10, made: 0x300 },
      { flags: random.integer(0, 0xffff) },
      { disk: random.integer(0, 2) },
      { comment: ascii("PK\x06\x07") },
      { headerAt: 0xffffffff, extra: concat(zip64(random.integer(0, 1) * here), zip64(here)) },
      { flags: 0, extra: path(other) },
      { flags: 0, extra: path("m/data.pkl") },
    ]);
    return { name: raw, data, directory, local: { name: other, flags: random.pick([0, 0x800]) } };
  });
  const bytes = buildZip([...records, { name: `${stem}/version`, data: ascii("3\n") }], {
    ...(random.integer(0, 1) === 0 ? { zip64: false } : {}),
    ...(random.integer(0, 4) === 0 ? { suffix: call } : {}),
  });
  if (random.integer(0, 2) > 0) return bytes;
  // Somewhere, or in the directory and behind it alone.
  const from = random.integer(0, 1) * (at + `${stem}/version`.length + 32);
  return mutate(random, bytes, { others: [bytes, ...seeds], words, from: Math.min(from, bytes.length - 1) });
}

/** An array of numpy's, or what looks like one. */
function array(random: Random): Uint8Array {
  const dtypes = ["'|O'", "'<f4'", "'|u1'", "[('a', '|O')]", "[('a', '<i4')]", "'|\\x4f'", "'O'"];
  const made = arrayOf(
    random.pick(dtypes),
    concat(random.pick([new Uint8Array(0), new Uint8Array(4)]), program(random)),
  );
  return random.integer(0, 2) === 0 ? mutate(random, made, { others: seeds, words }) : made;
}

/** What is safetensors, or begins as it does, and holds pickles where opcodes may lead. */
function headed(random: Random): Uint8Array {
  const first = random.pick([
    0x42,
    0x43,
    0x54,
    0x55,
    0x58,
    0x80,
    0x88,
    0x8a,
    0x8c,
    0x95,
    0x28,
    0x4e,
    0x50,
    0x63,
  ]);
  const pad = random.integer(0, 200);
  const data = concat(new Uint8Array(pad), program(random), call);
  const text = `{"__metadata__":{"a":"${"x".repeat(random.integer(0, 300))}"},` +
    `"w":{"dtype":"U8","shape":[${data.length}],"data_offsets":[0,${data.length}]}}`;
  const spaces = (first - text.length % 256 + 256) % 256;
  return fileOf(text + " ".repeat(spaces), data);
}

function fileOfIndex(index: number): { readonly name: string; readonly bytes: Uint8Array } {
  const random = new Random(Math.imul(SEED, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const name = random.pick(["x.pt", "x.pt", "x.pkl", "x.safetensors"]);
  const make = random.pick([
    stream,
    tricky,
    tricky,
    archive,
    archive,
    (random: Random) => archiveWith(tricky(random)),
    headed,
    (random: Random) => mutate(random, random.pick(seeds), { others: seeds, words }),
    (random: Random) => mutate(random, stream(random), { others: seeds, words }),
    (random: Random) => tarOf(new Map([["storages", call]]), stream(random).subarray(0, 100)),
    (random: Random) => archiveWith(program(random)),
    (random: Random) => archiveWith(program(random), [{ name: "data/0", bytes: array(random) }]),
    array,
    (random: Random) => concat(random.pick(seeds), stream(random)),
  ]);
  return { name, bytes: make(random) };
}

Deno.test({
  name: "inspectGlobals() says no less than torch, Python and numpy run (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const outcomes: string[] = [];
    const paths: string[] = [];
    for (let index = 0; index < FILES; index++) {
      const { name, bytes } = fileOfIndex(index);
      const path = temp.at(`${index}-${name}`);
      Deno.writeFileSync(path, bytes);
      paths.push(path);
      outcomes.push(
        await inspectGlobals(path).then(({ globals, complete }) => {
          if (globals.some(({ name }) => name === `${CANARY.module}.${CANARY.name}`)) return "listed";
          return complete ? "nothing" : "not complete";
        }, (error) => {
          if (!(error instanceof CheckpointError)) throw error;
          return "refused";
        }),
      );
    }
    const runs = await whoRuns(temp.at("list"), paths);
    const counts = new Map<string, number>();
    const missed: string[] = [];
    runs.forEach((run, index) => {
      const outcome = `${run === "" ? "not run" : "run"}, ${outcomes[index]}`;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (run !== "" && outcomes[index] === "nothing") {
        missed.push(`${index}: ${run}: ${fileOfIndex(index).bytes.toHex().slice(0, 1000)}`);
      }
    });
    if (Deno.env.has("CKPT_FUZZ")) console.log(`${FILES} files:`, counts);
    assertEquals(missed, []);
    // Else the files say nothing.
    for (const outcome of ["run, listed", "run, not complete", "not run, nothing"]) {
      assert((counts.get(outcome) ?? 0) > FILES / 100, `${outcome}: ${counts.get(outcome)}`);
    }
  },
});
