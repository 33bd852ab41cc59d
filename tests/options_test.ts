/**
 * Nonsense given as an option of any function of the library: an OptionError that names it, before anything is done.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import {
  compareCheckpoints,
  type CompareOptions,
  compareStatistics,
  type CompareStatisticsOptions,
  convertCheckpoint,
  type ConvertOptions,
  inspect,
  inspectGlobals,
  type InspectOptions,
  OptionError,
  planConversion,
  runConversion,
  statistics,
  type StatisticsOptions,
  verifyCheckpoint,
  type VerifyOptions,
} from "../mod.ts";
import { findArchitecture, findModelCard } from "../lib/models/mod.ts";
import { type HttpOptions, openHttpSource } from "../lib/bytes/mod.ts";
import { listGlobals, readPickle, readPickleFrom, type ReadPickleOptions } from "../lib/pickle/mod.ts";
import { openCheckpoint, type OpenOptions, resolveModel } from "../lib/convert/mod.ts";
import { TempDir } from "./_temp.ts";
import { CHECKPOINTS } from "./_torch_files.ts";

const INPUT = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16_tp2/step_10");
const PICKLE = new Uint8Array([0x4e, 0x2e]); // None.

/** Values that each option may not have. A new option without any doesn't pass the type check. */
type Nonsense<Options> = { readonly [Name in keyof Options]-?: readonly unknown[] };

const noNumbers = [NaN, Infinity, -1, 1.5, 1e300, "2", "", null, true, {}, [1]];
const noFlags = [0, 1, "false", "", null, NaN, {}];
const noTexts = ["", 5, NaN, null, true, {}, ["a"]];
const noFunctions = [5, "x", null, true, {}];
const noSignals = [5, "x", null, true, {}, { aborted: true }, new AbortController()];

const http: Nonsense<HttpOptions> = { onHost: noFunctions, signal: noSignals };
const noLayouts = ["pth", "", 5, NaN, null, "Reference"];
const open: Nonsense<OpenOptions> = { step: noNumbers, from: noLayouts };
const converting: Nonsense<ConvertOptions> = {
  ...open,
  input: [...noTexts, undefined],
  output: [...noTexts, undefined],
  model: noTexts,
  family: ["gemma3n", "LLaMA", "", 5, NaN, null],
  ignoreConfig: ["field", 5, null, {}, [5], [""]],
  to: noLayouts,
  shards: [...noNumbers, 0, 4097],
  dtype: ["float64", "", 16, NaN, null],
  maxShardSize: [...noNumbers, 0, "5GB"],
  tokenizer: noTexts,
  tokenizerPre: noTexts,
  instruct: noFlags,
  card: noFlags,
  layout: ["new", "", 5, NaN, null],
  jobs: [...noNumbers, 0, 257],
  clone: noFlags,
  verify: noFlags,
  sync: noFlags,
  restart: noFlags,
  task: [
    ...["1/2", 1, null, {}, { index: 1 }, { count: 2 }, { index: 0, count: 2 }, { index: 3, count: 2 }],
    ...[{ index: NaN, count: 2 }, { index: 1, count: NaN }, { index: 1.5, count: 2 }],
    ...[{ index: "1", count: "2" }, { index: 1, count: Infinity }, { index: -1, count: -1 }],
  ],
  onProgress: noFunctions,
  signal: noSignals,
};
const reading: Nonsense<ReadPickleOptions> = { onGlobal: noFunctions, limits: [5, "x", null, true] };
const verifying: Nonsense<VerifyOptions> = {
  from: noLayouts,
  jobs: converting.jobs,
  sums: ["all", "", 5, NaN, null, true],
  against: noTexts,
  values: noFlags,
  signal: noSignals,
  onFile: noFunctions,
  onProgress: noFunctions,
};
const comparing: Nonsense<CompareOptions> = {
  from: [...noLayouts, [], ["meta"], ["meta", "pth"]],
  // Infinity allows any difference but of NaN.
  statistics: noFlags,
  tolerance: [NaN, -1, -Infinity, "2", "", null, true, {}],
  jobs: converting.jobs,
  onProgress: noFunctions,
  signal: noSignals,
};

type Values = Readonly<Record<string, readonly unknown[]>>;

/** Each public function with options, as a function of these alone, and what they may not be. */
function functions(output: string): Record<string, [(options: never) => unknown, Values]> {
  const base: ConvertOptions = { input: INPUT, output };
  return {
    convertCheckpoint: [(options: object) => convertCheckpoint({ ...base, ...options }), converting],
    planConversion: [(options: object) => planConversion({ ...base, ...options }), converting],
    runConversion: [
      async (options: object) => runConversion(await planConversion(base), { ...base, ...options }),
      converting,
    ],
    openCheckpoint: [(options: OpenOptions) => openCheckpoint(INPUT, options), open],
    verifyCheckpoint: [(options: VerifyOptions) => verifyCheckpoint(INPUT, options), verifying],
    compareCheckpoints: [(options: CompareOptions) => compareCheckpoints(INPUT, INPUT, options), comparing],
    statistics: [
      (options: StatisticsOptions) => Array.fromAsync(statistics(INPUT, options)),
      {
        from: noLayouts,
        jobs: converting.jobs,
        onProgress: noFunctions,
        signal: noSignals,
      } satisfies Nonsense<StatisticsOptions>,
    ],
    compareStatistics: [
      (options: CompareStatisticsOptions) => Array.fromAsync(compareStatistics(INPUT, INPUT, options)),
      {
        from: comparing.from,
        jobs: converting.jobs,
        onProgress: noFunctions,
        signal: noSignals,
      } satisfies Nonsense<CompareStatisticsOptions>,
    ],
    inspect: [
      (options: InspectOptions) => inspect(INPUT, options),
      { ...http, from: noLayouts } satisfies Nonsense<InspectOptions>,
    ],
    inspectGlobals: [(options: HttpOptions) => inspectGlobals(INPUT, options), http],
    // Nothing listens there, and nothing is asked.
    openHttpSource: [
      (options: HttpOptions) => openHttpSource(new URL("http://127.0.0.1:9/f"), options),
      http,
    ],
    readPickle: [(options: ReadPickleOptions) => readPickle(PICKLE, options), reading],
    readPickleFrom: [(options: ReadPickleOptions) => readPickleFrom(PICKLE, 0, options), reading],
    listGlobals: [
      (options: object) => listGlobals(PICKLE, options),
      { offset: [...noNumbers, 3], limits: reading.limits },
    ],
  };
}

/** What a call throws, or what it gives. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

for (const name of Object.keys(functions(""))) {
  Deno.test(`${name}() refuses options that can't be`, async () => {
    using temp = new TempDir();
    const [call, nonsense] = functions(temp.at("out"))[name]!;
    for (const [option, values] of Object.entries(nonsense)) {
      for (const value of values) {
        const error = await outcome(() => call({ [option]: value } as never));
        const what = `${option}: ${Deno.inspect(value)} gives ${error}`;
        if (!(error instanceof OptionError)) throw new Error(what);
        assert(error.message.includes(option), what);
        assert(!error.message.includes("\n"), what);
        assertEquals(temp.names(), [], what);
      }
    }
    for (const options of [null, 5, "x"]) {
      if (!/[cC]onver/.test(name)) {
        assert(await outcome(() => call(options as never)) instanceof OptionError, String(options));
      }
    }
  });
}

Deno.test("the library's functions say what an option must be", async () => {
  const base = { input: INPUT, output: "/out" };
  const cases: readonly [object, string][] = [
    [{ jobs: NaN }, "Option jobs is NaN; it must be a whole number from 1 to 256"],
    [{ step: -1 }, "Option step is -1; it must be a whole number from 0"],
    [{ clone: "no" }, 'Option clone is "no"; it must be true or false'],
    [{ output: undefined }, "Option output is not given; it must be a text that isn't empty"],
    [
      { to: "pth" },
      'Option to is "pth"; it must be one of "reference", "meta", "huggingface", "fairseq2", "gguf"',
    ],
    [{ signal: {} }, "Option signal is of type object; it must be an AbortSignal"],
    [
      { task: { index: 3, count: 2 } },
      "Option task is of type object; it must be a share { index, count } of whole numbers, counted from 1",
    ],
    [
      { model: "x".repeat(99), step: "y".repeat(99) },
      `Option step is "${"y".repeat(40)}…"; it must be a whole number from 0`,
    ],
  ];
  for (const [options, message] of cases) {
    const error = await outcome(() => convertCheckpoint({ ...base, ...options }));
    assertEquals([(error as Error).name, (error as Error).message], ["OptionError", message]);
  }
});

Deno.test("the library's functions take an option that is undefined for one that isn't given", async () => {
  using temp = new TempDir();
  const options = Object.fromEntries(Object.keys(converting).map((name) => [name, undefined]));
  const { complete } = await convertCheckpoint({ ...options, input: INPUT, output: temp.at("out") });
  assertEquals(complete, true);
});

Deno.test("the library's functions say what an argument must be", async () => {
  const checkpoint = await openCheckpoint(INPUT);
  const some = { a: INPUT, b: INPUT };
  for (const value of [...noTexts, undefined] as never[]) {
    const calls: Readonly<Record<string, (() => unknown)[]>> = {
      path: [
        () => openCheckpoint(value),
        () => verifyCheckpoint(value),
        () => inspect(value),
        () => inspectGlobals(value),
      ],
      a: [() => compareCheckpoints(value, some.b)],
      b: [() => compareCheckpoints(some.a, value)],
      // No model has the empty name, and the message has those that there are.
      name: value === "" ? [] : [() => findModelCard(value), () => findArchitecture(value)],
      ...(value !== undefined && {
        named: [() => resolveModel(checkpoint, value)],
        family: [
          () => resolveModel(checkpoint, undefined, value),
          () => findModelCard("llama3_1_8b", value),
        ],
        depth: [() => planConversion({ input: INPUT, output: "/out" }, value)],
      }),
    };
    for (const [name, functions] of Object.entries(calls)) {
      for (const call of functions) {
        const error = await outcome(call);
        const what = `${call} of ${Deno.inspect(value)} gives ${error}`;
        assert(error instanceof OptionError && error.message.startsWith(`Option ${name} is `), what);
      }
    }
  }
});
