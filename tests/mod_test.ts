/**
 * The library: what mod.ts exports, and that it works when it is imported by URL, without an import map.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "../lib/deps.ts";
import { FileSource } from "../lib/bytes/mod.ts";
import { dtypeOf, openCheckpoint, readTensorValues } from "../lib/convert/mod.ts";
import { architectures, findArchitecture } from "../lib/models/mod.ts";
import { PickleError, readPickle, writePickle } from "../lib/pickle/mod.ts";
import { openTorchFile } from "../lib/torch/mod.ts";
import * as ckpt from "../mod.ts";
import { assertSameFile } from "./_state_facts.ts";
import { TempDir } from "./_temp.ts";
import { CHECKPOINTS, readRecords } from "./_torch_files.ts";
import { makeCheckpoint } from "./bench/make_checkpoint.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16";
const INPUT = join(CHECKPOINTS, CASE, "step_10");
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference", "consolidated.00.pth");

Deno.test("mod.ts exports what people need, and the modules that deno.json names the rest", async () => {
  assertEquals(Object.keys(ckpt).sort(), [
    "CancelledError",
    "CheckpointError",
    "ConfigError",
    "FileError",
    "FormatError",
    "LazyTensor",
    "MismatchError",
    "OptionError",
    "VERSION",
    "castTensors",
    "compareCheckpoints",
    "compareStatistics",
    "convertCheckpoint",
    "inspect",
    "inspectGlobals",
    "openTensors",
    "planConversion",
    "renameTensors",
    "runConversion",
    "saveSafetensors",
    "saveTorch",
    "selectTensors",
    "statistics",
    "targets",
    "tensorOf",
    "verifyCheckpoint",
  ]);
  const { exports } = JSON.parse(Deno.readTextFileSync(join(import.meta.dirname!, "..", "deno.json")));
  const modules = new Map<string, string>(Object.entries(exports));
  const rooms = [...Deno.readDirSync(join(import.meta.dirname!, "..", "lib"))]
    .map(({ name }) => `./lib/${name}/mod.ts`)
    .filter((path) => existsSync(join(import.meta.dirname!, "..", path)));
  assertEquals([...modules.values()].sort(), [...rooms, "./mod.ts"].sort());
  for (const path of modules.values()) assert(Object.keys(await import(`../${path}`)).length > 0, path);
});

Deno.test("openCheckpoint() lists a checkpoint's tensors", async () => {
  const checkpoint = await openCheckpoint(join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp32_tp4/step_10"));
  assertEquals(checkpoint.shards.length, 4);
  for (const [rank, { path, parameters }] of checkpoint.shards.entries()) {
    assert(path.endsWith(`model.${rank}.pt`));
    assertEquals(parameters.size, 21);
    const { dtype, shape, requiresGrad, isParameter } = parameters.get("decoder_frontend.embed.weight")!;
    assertEquals([dtype, shape, requiresGrad, isParameter], [dtypeOf("float32"), [40, 8], false, false]);
  }
});

Deno.test("readTensorValues() gives the values that torch does", async () => {
  // Printed by torch 2.13: tensor.float().tolist().
  const cases: readonly (readonly [name: string, tensor: string, from: number, values: readonly number[]])[] =
    [
      [CASE, "final_proj.weight", 49 * 32 + 28, [
        0.0106201171875,
        -0.046875,
        0.01116943359375,
        0.00482177734375,
      ]],
      [CASE, "decoder.layer_norm.weight", 0, [0.94140625, 1.0859375, 1.015625]],
      [
        "fairseq2-0.3.0/llama2_fp16",
        "decoder.layers.1.ffn.output_proj.weight",
        32 * 88 - 3,
        [-0.018096923828125, 0.07861328125, 0.01715087890625],
      ],
      [
        "fairseq2-0.3.0/llama3_fp32_ddp",
        "final_proj.weight",
        0,
        [-0.012248682789504528, 0.035564057528972626, -0.0015017685946077108],
      ],
    ];
  for (const [name, tensor, from, values] of cases) {
    const { shards } = await openCheckpoint(join(CHECKPOINTS, name, "step_10"));
    const read = readTensorValues(shards[0]!.parameters.get(tensor)!);
    assert(read instanceof Float32Array);
    assertEquals([...read].slice(from, from + values.length), values);
  }
});

Deno.test("readPickle() and writePickle() are each other's inverse", () => {
  const pickle = readRecords(EXPECTED).get("data.pkl")!;
  assertEquals(writePickle(readPickle(pickle)), pickle);
});

Deno.test("architectures is the table of published ones", () => {
  const llama = architectures.filter(({ family }) => family === "llama");
  assertEquals(llama.map(({ name }) => name), [
    "7b",
    "13b",
    "33b",
    "65b",
    "llama2_7b",
    "llama2_13b",
    "llama2_70b",
    "llama3_8b",
    "llama3_70b",
    "llama3_1_8b",
    "llama3_1_70b",
    "llama3_1_405b",
    "llama3_2_1b",
    "llama3_2_3b",
  ]);
  assertEquals(findArchitecture("r1_distilled_llama3_1_8b_instruct").name, "llama3_1_8b");
});

Deno.test("the errors that ckpt throws on purpose are CheckpointErrors with names of their own", () => {
  const classes = {
    CancelledError: ckpt.CancelledError,
    FileError: ckpt.FileError,
    FormatError: ckpt.FormatError,
    MismatchError: ckpt.MismatchError,
    OptionError: ckpt.OptionError,
  };
  for (const [name, errorClass] of Object.entries(classes)) {
    const error = new errorClass("Cannot go on");
    assert(error instanceof ckpt.CheckpointError && error instanceof Error);
    assertEquals([error.name, error.message], [name, "Cannot go on"]);
  }
  const config = new ckpt.ConfigError("model.yaml", "a.b", "is wrong");
  assert(config instanceof ckpt.FormatError);
  assertEquals(config.message, "model.yaml: a.b: is wrong");
  assertThrows(() => readPickle(new Uint8Array([1])), PickleError);
});

/** Serves the project's modules on a free port. */
function serveModules(): Deno.HttpServer<Deno.NetAddr> {
  const root = join(import.meta.dirname!, "..");
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    try {
      const text = await Deno.readTextFile(join(root, pathname));
      return new Response(text, { headers: { "content-type": "application/typescript" } });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
}

/**
 * A directory for Deno's caches where nothing is cached but the npm packages, so that modules come from the server
 * and packages needn't be fetched again.
 */
async function freshCache(temp: TempDir): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  Deno.mkdirSync(temp.at("cache"));
  Deno.symlinkSync(npmCache, temp.at("cache", "npm"), { type: "dir" });
  return temp.at("cache");
}

/** Runs a program that imports modules from `$ROOT` by URL, with leave to read and write in a directory alone. */
async function runByUrl(temp: TempDir, program: string, args: readonly string[]): Promise<string> {
  await using server = serveModules();
  const host = `127.0.0.1:${server.addr.port}`;
  Deno.mkdirSync(temp.at("elsewhere"));
  const script = temp.at("elsewhere", "script.ts");
  Deno.writeTextFileSync(script, program.replaceAll("$ROOT", `http://${host}`));
  const flags = [
    `--allow-import=${host}`,
    `--allow-read=${temp.path},${CHECKPOINTS}`,
    `--allow-write=${temp.path}`,
  ];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", ...flags, script, ...args],
    cwd: temp.at("elsewhere"),
    env: { DENO_DIR: await freshCache(temp), NO_COLOR: "1" },
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout);
}

Deno.test("mod.ts works when it is imported by URL", async () => {
  using temp = new TempDir();
  const program = `
    import { convertCheckpoint, type ConversionSummary, VERSION } from "$ROOT/mod.ts";
    import { openCheckpoint } from "$ROOT/lib/convert/mod.ts";
    const [input, output] = Deno.args as [string, string];
    const seen: string[] = [];
    const summary: ConversionSummary = await convertCheckpoint({
      input,
      output,
      clone: false,
      onProgress: ({ finished }) => finished === undefined || seen.push(finished),
    });
    const { shards } = await openCheckpoint(input);
    console.log(JSON.stringify([VERSION, summary.parameters, seen.sort(), shards.length]));
  `;
  const output = temp.at("out");
  const printed = JSON.parse(await runByUrl(temp, program, [INPUT, output]));
  assertEquals(printed, [ckpt.VERSION, 34080, ["consolidated.00.pth", "params.json"], 1]);
  assertSameFile(join(output, "consolidated.00.pth"), EXPECTED);
});

Deno.test("mod.ts starts its workers when it is imported by URL", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_2_1b", layers: 1, dtype: "float8_e5m2", directory: temp.at("in") });
  const program = `
    import { convertCheckpoint } from "$ROOT/mod.ts";
    let workers = 0;
    globalThis.Worker = class extends Worker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options);
        workers++;
      }
    };
    const [input, output] = Deno.args as [string, string];
    const { bytes } = await convertCheckpoint({ input, output, clone: false, jobs: 2 });
    console.log(JSON.stringify([workers, bytes]));
  `;
  const output = temp.at("out");
  const printed = JSON.parse(await runByUrl(temp, program, [temp.at("in", "step_1"), output]));
  const bytes = temp.names("out").reduce((sum, name) => sum + Deno.statSync(temp.at("out", name)).size, 0);
  assertEquals(printed, [2, bytes]);
  assert(bytes > 500e6);
  // The pickle and the directory are there, and so every record is where they say.
  const { shards } = await openCheckpoint(temp.at("in", "step_1"));
  const file = FileSource.open(join(output, "consolidated.00.pth"));
  const { storages } = await openTorchFile(file);
  file[Symbol.dispose]();
  assertEquals(storages.size, shards[0]!.parameters.size);
});
