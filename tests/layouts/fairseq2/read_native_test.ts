/**
 * Checkpoints in the layout of fairseq2 0.5 to 0.8: those that it wrote, against its own state dicts under the
 * reference names, as torch.save writes them; and those cut out of them here, in all the ways that its loader takes.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "../../../lib/deps.ts";
import { reshard } from "../../../lib/layouts/reshard.ts";
import { convertCheckpoint } from "../../../mod.ts";
import { openCheckpoint, type Parameters, readTensorBytes, resolveModel } from "../../../lib/convert/mod.ts";
import { Random } from "../../copy/_random.ts";
import {
  cutState,
  type EmptyPiece,
  fsdpSizes,
  pathOf,
  pieces,
  readState,
  stagesOf,
  type State,
  writeNative,
} from "../../_native.ts";
import { assertSameFile, assertSameTorchFile } from "../../_state_facts.ts";
import { referenceNote } from "../../_notes.ts";
import { copyTree, TempDir } from "../../_temp.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "..", "fixtures");
const FILE = "consolidated.00.pth";

/** A checkpoint that fairseq2 wrote. */
interface Case {
  readonly name: string;
  /** The directory with model.yaml. */
  readonly root: string;
  readonly step: number;
  /** What torch.save makes of the whole state dict under the reference names. */
  readonly expected: string;
  /** The numbers of tensor-parallel shards that its sizes allow; that of the checkpoint first. */
  readonly counts: readonly number[];
  readonly embeddingShardDim: 0 | 1;
  /** Whether its RoPE is scaled. */
  readonly isScaled: boolean;
  /** What it was joined from. */
  readonly notes: readonly string[];
}

function shared(name: string, counts: readonly number[], notes: readonly string[]): Case {
  return {
    name,
    root: join(CHECKPOINTS, "fairseq2-0.8.1", name, "checkpoints"),
    step: 10,
    expected: join(CHECKPOINTS, "expected/fairseq2-0.8.1", name, "reference", FILE),
    counts,
    embeddingShardDim: 0,
    isScaled: true,
    notes,
  };
}

function sharded(
  name: string,
  counts: readonly number[],
  notes: readonly string[],
  embeddingShardDim: 0 | 1 = 0,
): Case {
  const directory = join(FIXTURES, "fairseq2_native", name);
  return {
    name,
    root: join(directory, "checkpoints"),
    step: 20,
    expected: join(directory, FILE),
    counts,
    embeddingShardDim,
    isScaled: false,
    notes,
  };
}

const cases: readonly Case[] = [
  shared("llama3_bf16", [1, 2], []),
  shared("llama3_bf16_tied", [1, 2], []),
  shared("llama3_bf16_fsdp3", [1, 2], ["joined from 3 data-parallel pieces of each"]),
  shared("llama3_fp32_tp2_fsdp2", [2, 1], [
    "joined from 2 tensor-parallel shards, 2 data-parallel pieces of each",
  ]),
  sharded("fsdp1_bf16", [1, 2], ["joined from 5 data-parallel pieces of each"]),
  sharded("fsdp2_bf16", [1, 2], ["joined from 5 data-parallel pieces of each"]),
  sharded("llama2_tp2_fsdp1_fp32", [2, 1], [
    "joined from 2 tensor-parallel shards, 3 data-parallel pieces of each",
  ], 1),
  sharded("tied_fsdp2_fp16", [1, 2], ["joined from 3 data-parallel pieces of each"]),
];

function stepOf({ root, step }: Case): string {
  return join(root, `step_${step}`);
}

/** What each tensor of a state dict is, in short, but for how they share storages. */
function valuesOf(state: State): string[] {
  return [...state].map(([name, { dtype, shape, bytes }]) => {
    return `${name}: ${dtype.name} [${shape}] ${createHash("sha1").update(bytes).digest("hex")}`;
  });
}

/** The same of the tensors in a file. */
async function valuesIn(path: string): Promise<string[]> {
  return valuesOf(await readState(path));
}

/** Asserts that a directory holds the shards of a whole state dict. */
async function assertShards(output: string, whole: State, count: number, embeddingShardDim: 0 | 1) {
  const names = [...Deno.readDirSync(output)].map(({ name }) => name).sort();
  assertEquals(names, [
    ...Array.from({ length: count }, (_, rank) => `consolidated.0${rank}.pth`),
    "params.json",
  ]);
  for (const [rank, state] of cutState(whole, count, embeddingShardDim).entries()) {
    assertEquals(await valuesIn(join(output, `consolidated.0${rank}.pth`)), valuesOf(state));
  }
}

for (const each of cases) {
  const { name, expected, notes, counts, embeddingShardDim } = each;
  const scaling = each.isScaled ? [referenceNote(4)] : [];

  Deno.test(`convertCheckpoint() joins ${name} to the bytes of torch.save`, async () => {
    using temp = new TempDir();
    const summary = await convertCheckpoint({
      input: stepOf(each),
      output: temp.at("out"),
      shards: 1,
      clone: false,
    });
    assertSameFile(temp.at("out", FILE), expected);
    assertEquals(summary.notes, [...notes, ...scaling]);
  });

  Deno.test(`convertCheckpoint() makes each number of shards of ${name} that divides it`, async () => {
    using temp = new TempDir();
    const whole = await readState(expected);
    for (const shards of [undefined, ...counts]) {
      const output = temp.at(`out${shards}`);
      await convertCheckpoint({
        input: stepOf(each),
        output,
        ...(shards === undefined ? {} : { shards }),
        clone: false,
      });
      await assertShards(output, whole, shards ?? counts[0]!, embeddingShardDim);
    }
  });

  Deno.test(`convertCheckpoint() takes every path to ${name}`, async () => {
    using temp = new TempDir();
    const step = stepOf(each);
    const inputs = [each.root, step, `${step}/`, join(step, "model")];
    const onlyFile = counts[0] === 1 && notes.length === 0;
    if (onlyFile) inputs.push(join(step, "model", "pp_00", "tp_00", "sdp_00.pt"));
    for (const [i, input] of inputs.entries()) {
      const output = temp.at(`out${i}`);
      const summary = await convertCheckpoint({ input, output, shards: 1, clone: false });
      assertSameFile(join(output, FILE), expected);
      const picked = input === each.root ? [`step ${each.step}`] : [];
      assertEquals(summary.notes, [...picked, ...notes, ...scaling]);
      assertEquals(summary.input, input === each.root ? step : input);
    }
  });
}

Deno.test("convertCheckpoint() writes the params.json of checkpoints of 0.8.1", async () => {
  using temp = new TempDir();
  for (const each of cases.slice(0, 4)) {
    const output = temp.at(each.name);
    await convertCheckpoint({ input: stepOf(each), output, shards: 1 });
    assertEquals(
      JSON.parse(Deno.readTextFileSync(join(output, "params.json"))),
      JSON.parse(Deno.readTextFileSync(join(each.expected, "..", "params.json"))),
    );
  }
});

// The rest is cut out of these.
const whole = cases[0]!;
const tied = cases[1]!;

/** The state dict of a checkpoint in one file. */
function stateOf(each: Case): Promise<State> {
  return readState(pathOf(stepOf(each), 0, 0, 0));
}

/** What is cut is only opened and planned, but for one test: each tensor of the plan is read by itself. */
async function assertJoins(
  grid: readonly (readonly (readonly State[])[])[],
  { from = whole, counts = [1, 2], notes }: {
    readonly from?: Case;
    readonly counts?: readonly number[];
    readonly notes?: readonly string[];
  } = {},
): Promise<void> {
  using temp = new TempDir();
  const step = temp.at("step_1");
  writeNative(step, grid);
  Deno.copyFileSync(join(from.root, "model.yaml"), temp.at("model.yaml"));
  const checkpoint = await openCheckpoint(step);
  if (notes !== undefined) assertEquals(checkpoint.notes, notes);
  const { model } = resolveModel(checkpoint);
  const expected = await stateOf(from);
  for (const count of counts) {
    const shards = reshard(checkpoint.shards, model, count);
    assertEquals(shards.length, count);
    for (const [rank, state] of cutState(expected, count, from.embeddingShardDim).entries()) {
      // A name that isn't in the first file comes after those that are.
      assertEquals(valuesOf(readParameters(shards[rank]!)).sort(), valuesOf(state).sort());
      assertSharing(shards[rank]!, state);
    }
  }
}

function readParameters(parameters: Parameters): State {
  return new Map([...parameters].map(([name, tensor]) => {
    return [name, { dtype: tensor.dtype, shape: tensor.shape, bytes: readTensorBytes(tensor) }];
  }));
}

/** Asserts that the tensors that share a storage are those that shared one before. */
function assertSharing(parameters: Parameters, state: State): void {
  const storages = new Set([...parameters.values()].map(({ storage }) => storage));
  assertEquals(storages.size, new Set(state.values()).size);
  for (const [name, values] of state) {
    const [first] = [...state].find(([, each]) => each === values)!;
    assertStrictEquals(parameters.get(name)!.storage, parameters.get(first)!.storage);
  }
}

for (const emptyPiece of ["empty", "float32", "missing"] satisfies EmptyPiece[]) {
  Deno.test(`openCheckpoint() joins the pieces that FSDP makes where some are ${emptyPiece}`, async () => {
    const state = await stateOf(whole);
    // 50 rows in 12 pieces are 10 of 5; 16 in 12 are 8 of 2; 32 in 20 are 16 of 2.
    for (const count of [2, 5, 12, 20]) {
      await assertJoins([[pieces(state, fsdpSizes(count), emptyPiece)]], {
        notes: [`joined from ${count} data-parallel pieces of each`],
      });
    }
  });
}

Deno.test("openCheckpoint() joins pieces of any sizes", async () => {
  const random = new Random(1);
  const state = await stateOf(whole);
  for (let i = 0; i < 20; i++) {
    const count = random.integer(2, 6);
    const sizes = (rows: number) => {
      const cuts = Array.from({ length: count - 1 }, () => random.integer(0, rows)).sort((a, b) => a - b);
      return [...cuts, rows].map((end, k) => end - (cuts[k - 1] ?? 0));
    };
    const memo = new Map<number, number[]>();
    const sizesOf = (rows: number) => {
      if (!memo.has(rows)) memo.set(rows, sizes(rows));
      return memo.get(rows)!;
    };
    await assertJoins([[pieces(state, sizesOf, random.pick(["empty", "float32", "missing"]))]]);
  }
});

Deno.test("openCheckpoint() joins what only later ranks have", async () => {
  const state = await stateOf(whole);
  for (const emptyPiece of ["empty", "float32", "missing"] satisfies EmptyPiece[]) {
    await assertJoins([[pieces(state, (rows) => [0, 0, rows], emptyPiece)]]);
    await assertJoins([[pieces(state, (rows) => [0, rows - 1, 0, 1], emptyPiece)]]);
  }
});

/** Ways to spread a model of two layers over pipeline stages. */
const stagings: readonly (readonly (readonly string[])[])[] = [
  [["decoder_frontend.", "decoder.layers.0."], ["decoder.layers.1.", "decoder.layer_norm.", "final_proj."]],
  [["decoder_frontend."], ["decoder.layers."], ["decoder.layer_norm.", "final_proj."]],
  // What is in several stages is the same in all of them.
  [["decoder_frontend.", "decoder.layers.0."], ["decoder"], ["decoder.layer_norm.", "final_proj."]],
  [[""], [""]],
];

Deno.test("openCheckpoint() joins pipeline stages", async () => {
  const state = await stateOf(whole);
  for (const prefixes of stagings) {
    const grid = stagesOf(state, prefixes).map((stage) => [[stage]]);
    await assertJoins(grid, { notes: [`joined from ${grid.length} pipeline stages`] });
  }
});

Deno.test("openCheckpoint() joins pipeline stages, tensor-parallel shards and pieces at once", async () => {
  const state = await stateOf(whole);
  for (const [i, prefixes] of stagings.entries()) {
    const emptyPiece = (["empty", "float32", "missing"] as const)[i % 3]!;
    const grid = stagesOf(state, prefixes).map((stage) =>
      cutState(stage, 2).map((shard) => pieces(shard, fsdpSizes(3), emptyPiece))
    );
    await assertJoins(grid, {
      notes: [
        `joined from ${grid.length} pipeline stages, 2 tensor-parallel shards, 3 data-parallel pieces of each`,
      ],
    });
  }
});

Deno.test("convertCheckpoint() joins more files than it holds open", async () => {
  using temp = new TempDir();
  const grid = [cutState(await stateOf(whole), 2).map((shard) => pieces(shard, fsdpSizes(40)))];
  assertEquals(grid.flat(2).length, 80);
  writeNative(temp.at("step_1"), grid);
  Deno.copyFileSync(join(whole.root, "model.yaml"), temp.at("model.yaml"));
  for (const shards of [1, 2]) {
    await convertCheckpoint({ input: temp.at("step_1"), output: temp.at(`out${shards}`), shards });
  }
  assertSameTorchFile(temp.at("out1", FILE), whole.expected);
  await assertShards(temp.at("out2"), await readState(whole.expected), 2, 0);
});

Deno.test("openCheckpoint() opens ranks of three digits", async () => {
  await assertJoins([[pieces(await stateOf(whole), fsdpSizes(103), "missing")]]);
});

Deno.test("openCheckpoint() keeps tied matrices one storage, in any pieces", async () => {
  const state = await stateOf(tied);
  assert(state.get("decoder_frontend.embed.weight") === state.get("final_proj.weight"));
  for (const sizes of [fsdpSizes(3), fsdpSizes(12), (rows: number) => [0, rows]]) {
    await assertJoins([[pieces(state, sizes)]], { from: tied });
    await assertJoins([cutState(state, 2).map((shard) => pieces(shard, sizes))], { from: tied });
  }
});

Deno.test("convertCheckpoint() counts a tied matrix in pieces once", async () => {
  using temp = new TempDir();
  const { parameters } = await convertCheckpoint({ input: stepOf(cases[7]!), output: temp.at("out") });
  const { layers, dim, kv, ffn, vocab } = { layers: 2, dim: 16, kv: 8, ffn: 44, vocab: 22 };
  assertEquals(
    parameters,
    vocab * dim + layers * (2 * dim * dim + 2 * kv * dim + 3 * ffn * dim + 2 * dim) + dim,
  );
});

Deno.test("openCheckpoint() leaves out what isn't a rank by its name", async () => {
  using temp = new TempDir();
  copyTree(cases[3]!.root, temp.at("in"));
  const model = temp.at("in", "step_10", "model");
  for (const name of ["pp_0", "pp_000", "pp_1", "pp_01.tmp", "pp_00x", "optimizer"]) {
    Deno.mkdirSync(join(model, name));
    Deno.mkdirSync(join(model, "pp_00", name.replace("pp", "tp")));
  }
  for (
    const name of ["sdp_0.pt", "sdp_000.pt", "sdp_2.pt", "sdp_02.pt.tmp", "sdp_-1.pt", "sdp_.pt", "02.pt"]
  ) {
    Deno.writeTextFileSync(join(model, "pp_00", "tp_01", name), "no piece");
  }
  Deno.writeTextFileSync(join(model, "pp_01"), "no directory");
  Deno.mkdirSync(join(model, "pp_00", "tp_00", "sdp_02.pt"));
  const { sources, notes } = await openCheckpoint(temp.at("in"));
  assertEquals(sources.length, 4);
  assertEquals(notes, ["step 10", ...cases[3]!.notes]);
});

Deno.test("openCheckpoint() says what it found of fairseq2 0.5 and later", async () => {
  const each = cases[3]!;
  const { kind, path, shards, sources, modelYaml } = await openCheckpoint(stepOf(each));
  assertEquals(kind, "fairseq2 0.5–0.8");
  assertEquals(path, stepOf(each));
  assertEquals(modelYaml, join(each.root, "model.yaml"));
  const file = (tp: number, sdp: number) => pathOf(stepOf(each), 0, tp, sdp);
  assertEquals(sources.map(({ path }) => path), [file(0, 0), file(0, 1), file(1, 0), file(1, 1)]);
  assertEquals(shards.map(({ path }) => path), [0, 1].map((tp) => join(file(tp, 0), "..")));
  assertEquals(shards.map(({ file }) => file), [undefined, undefined]);
});

Deno.test("convertCheckpoint() reports copies that differ, and takes the first", async () => {
  using temp = new TempDir();
  const state = await stateOf(whole);
  const [first, second] = cutState(state, 2) as [State, State];
  const other = new Map(second);
  const [a, b] = ["decoder.layers.1.ffn_layer_norm.weight", "decoder.layer_norm.weight"];
  for (const name of [a, b]) {
    const values = second.get(name!)!;
    other.set(name!, { ...values, bytes: values.bytes.with(0, values.bytes[0]! ^ 1) });
  }
  writeNative(temp.at("step_1"), [[[first], [other]]]);
  Deno.copyFileSync(join(whole.root, "model.yaml"), temp.at("model.yaml"));
  const { notes } = await convertCheckpoint({ input: temp.at("step_1"), output: temp.at("out"), shards: 1 });
  assertEquals(notes, [
    "joined from 2 tensor-parallel shards",
    `${a} and 1 more differ between the shards, though each should have the same copy; that of the first shard is taken`,
    referenceNote(4),
  ]);
  assertSameTorchFile(temp.at("out", FILE), whole.expected);
});

Deno.test("convertCheckpoint() shares a whole file with its only source, as it does for older checkpoints", async () => {
  using temp = new TempDir();
  copyTree(whole.root, temp.at("in"));
  const { cloned } = await convertCheckpoint({ input: temp.at("in"), output: temp.at("out") });
  // Only some file systems can.
  assert(cloned.length === 0 || String(cloned) === FILE);
  assertEquals(await valuesIn(temp.at("out", FILE)), await valuesIn(whole.expected));
});
