/**
 * fairseq2 itself loads what was converted, where the environment variable `CKPT_FAIRSEQ2` names a Python that has it:
 * 0.3 or 0.8. Its own code joins, splits and computes.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import {
  cutState,
  fsdpSizes,
  pathOf,
  pieces,
  readState,
  stagesOf,
  type State,
  writeNative,
} from "../_native.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const PYTHON = Deno.env.get("CKPT_FAIRSEQ2") || undefined;
const NATIVE = join(import.meta.dirname!, "..", "..", "fixtures", "fairseq2_native");

async function run(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(PYTHON!, { args }).output();
  if (!success) throw new Error(`Cannot run Python: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** The version of the Python's fairseq2, such as `0.3`. */
async function version(): Promise<string> {
  const found = await run("-c", "from importlib.metadata import version; print(version('fairseq2'))");
  return found.split(".").slice(0, 2).join(".");
}

/** A checkpoint to convert and to load back. */
interface Case {
  /** The directory with model.yaml and the step. */
  readonly root: string;
  readonly step: string;
  readonly counts: readonly number[];
  /** Tokens and logits that this version of fairseq2 computed from these weights, or nothing. */
  readonly logits: string;
}

function shared(name: string, counts: readonly number[], logits: string): Case {
  const root = join(CHECKPOINTS, name, name.startsWith("fairseq2-0.8") ? "checkpoints" : "");
  return {
    root,
    step: join(root, "step_10"),
    counts,
    // fairseq2 0.3 computes scaled RoPE with a constant of its own, so the logits are each version's own.
    logits: name.startsWith(logits) ? join(CHECKPOINTS, "expected", name, "logits.pt") : "",
  };
}

function sharded(name: string, counts: readonly number[]): Case {
  const root = join(NATIVE, name, "checkpoints");
  return { root, step: join(root, "step_20"), counts, logits: "" };
}

/** The cases that fairseq2 wrote. Tied matrices count as two where they are compared in a model. */
function cases(generation: string): Case[] {
  const withLogits = `fairseq2-${generation}`;
  const hasLogits = generation === "0.3" ? /_bf16$|_fp16$|_ddp$/ : /./;
  return [
    ...["llama3_bf16", "llama3_fp32_ddp", "llama3_bf16_tp2"].map((name) =>
      shared(`fairseq2-0.3.0/${name}`, [1, 2], hasLogits.test(name) ? withLogits : "none")
    ),
    ...["llama2_fp16", "llama2_fp32_tp4"].map((name) =>
      shared(`fairseq2-0.3.0/${name}`, [1, 2, 4], hasLogits.test(name) ? withLogits : "none")
    ),
    ...["llama3_bf16", "llama3_bf16_tp2"].map((name) => shared(`fairseq2-0.4.5/${name}`, [1, 2], "none")),
    ...["llama3_bf16", "llama3_bf16_tied", "llama3_bf16_fsdp3", "llama3_fp32_tp2_fsdp2"].map((name) =>
      shared(`fairseq2-0.8.1/${name}`, [1, 2], generation === "0.8" ? withLogits : "none")
    ),
    ...["fsdp1_bf16", "fsdp2_bf16", "llama2_tp2_fsdp1_fp32", "tied_fsdp2_fp16"].map((name) =>
      sharded(name, [1, 2])
    ),
  ];
}

/** Checkpoints that its loader takes, though no run of it was at hand: with stages, and with uneven pieces. */
async function handMade(temp: TempDir): Promise<Case[]> {
  const from = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_bf16", "checkpoints");
  const state = await readState(pathOf(join(from, "step_10"), 0, 0, 0));
  const stages = stagesOf(state, [
    ["decoder_frontend.", "decoder.layers.0."],
    ["decoder.layers.1."],
    ["decoder.layer_norm.", "final_proj."],
  ]);
  const grids: State[][][][] = [
    stages.map((stage) => [[stage]]),
    stages.map((stage) => cutState(stage, 2).map((shard) => pieces(shard, fsdpSizes(3), "missing"))),
    [cutState(state, 2).map((shard) => pieces(shard, fsdpSizes(12), "float32"))],
    [[pieces(state, (rows) => [rows - 3, 0, 1, 2])]],
  ];
  return grids.map((grid, i) => {
    const root = temp.at(`made${i}`);
    const step = join(root, "step_1");
    writeNative(step, grid);
    Deno.copyFileSync(join(from, "model.yaml"), join(root, "model.yaml"));
    return { root, step, counts: [1, 2], logits: "" };
  });
}

Deno.test({
  name: "convertCheckpoint() writes what fairseq2 itself loads",
  ignore: PYTHON === undefined,
  async fn() {
    using temp = new TempDir();
    const generation = await version();
    assert(["0.3", "0.8"].includes(generation), `CKPT_FAIRSEQ2 has fairseq2 ${generation}, not 0.3 or 0.8`);
    const all = [...cases(generation), ...await handMade(temp)];
    const jobs = [];
    for (const [i, { root, step, counts, logits }] of all.entries()) {
      const outputs = [];
      for (const shards of counts) {
        const output = temp.at(`out${i}_${shards}`);
        await convertCheckpoint({ input: step, output, shards, clone: false });
        outputs.push([shards, output]);
      }
      const isNative = Deno.readDirSync(step).some(({ name }) => name === "model");
      const source = generation === "0.3" || isNative ? step : "";
      jobs.push([join(root, "model.yaml"), source, outputs, logits]);
    }
    assertEquals(jobs.filter(([, , , logits]) => logits !== "").length, generation === "0.3" ? 3 : 4);
    const program = join(import.meta.dirname!, `fairseq2_${generation.replace(".", "_")}.py`);
    const [compared, error] = JSON.parse(await run(program, JSON.stringify(jobs)));
    console.log(
      `fairseq2 ${generation}: ${compared} tensors are the same; the logits' largest error is ${error}`,
    );
    assert(compared >= 21 * 3 * all.length, `only ${compared} tensors were compared`);
    // The weights are the same, bit for bit; another processor may add in another order.
    assert(error <= 1e-5, `the logits differ by ${error}`);
  },
});
