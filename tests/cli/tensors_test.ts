/** `ckpt tensors convert`. */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { openTensors, saveSafetensors, saveTorch, tensorOf } from "../../mod.ts";
import { ckpt, commandLine } from "../_ckpt.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const STEP = join(CHECKPOINTS, "fairseq2-0.4.5/llama3_bf16/step_10");
const CONVERT = ["tensors", "convert"];

Deno.test("ckpt tensors convert renames, drops and casts, and says what is left out", async () => {
  using temp = new TempDir();
  const output = temp.at("out.safetensors");
  const { code, stdout, stderr } = await ckpt([
    ...CONVERT,
    join(STEP, "model.pt"),
    output,
    ...["--only", "decoder.*", "--drop", "*norm.weight", "--dtype", "fp16"],
    ...["--rename", "decoder.layers.*.ffn.*=blocks.*.mlp.*", "--rename", "decoder.*=*"],
  ]);
  assertEquals([code, stderr], [0, "out.safetensors done (1 of 1 files)\n"]);
  assertEquals(stdout.replace(/in [\d.]+ s/, "in 1 s").split("\n"), [
    `Converted ${join(STEP, "model.pt")} to ${output}`,
    "  tensors 14, float16",
    `  bytes   ${(Deno.statSync(output).size / 1000).toFixed(1)} kB in 1 s`,
    "  note    left out: model_key and fs2",
    "",
  ]);
  const tensors = await openTensors(output);
  assertEquals([...tensors.keys()].filter((name) => name.includes(".0.")), [
    "blocks.0.mlp.gate_proj.weight",
    "blocks.0.mlp.inner_proj.weight",
    "blocks.0.mlp.output_proj.weight",
    "layers.0.self_attn.k_proj.weight",
    "layers.0.self_attn.output_proj.weight",
    "layers.0.self_attn.q_proj.weight",
    "layers.0.self_attn.v_proj.weight",
  ]);
  const before = (await openTensors(STEP)).get("decoder.layers.1.ffn.gate_proj.weight")!;
  const after = tensors.get("blocks.1.mlp.gate_proj.weight")!;
  assertEquals(after.dtype, "float16");
  assertEquals(await after.read(), await before.read());
});

Deno.test("ckpt tensors convert --dry-run shows the names and writes nothing", async () => {
  using temp = new TempDir();
  const args = [
    ...CONVERT,
    STEP,
    temp.at("out.pt"),
    "--only",
    "final_proj.weight",
    "--rename",
    "*_proj.*=*.*",
    "--dry-run",
  ];
  const { code, stdout, stderr } = await ckpt(args);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.split("\n").slice(-2), [
    "  final_proj.weight → final.weight  bfloat16 [50, 32]  3.20 kB",
    "",
  ]);
  const { files, notes, ...facts } = JSON.parse((await ckpt([...args, "--json"])).stdout);
  assertEquals([facts.dryRun, facts.tensors, facts.dtypes, notes], [true, 1, ["bfloat16"], [
    "left out: model_key and fs2",
  ]]);
  assertEquals(files[0].tensors, [
    { from: "final_proj.weight", to: "final.weight", dtype: "bfloat16", shape: [50, 32], bytes: 3200 },
  ]);
  assertEquals((await ckpt([...args, "--quiet"])).stdout, "");
  assertEquals(temp.names(), []);
});

Deno.test("ckpt tensors convert --json prints what was made, --quiet nothing", async () => {
  using temp = new TempDir();
  const { stdout, stderr } = await ckpt([...CONVERT, STEP, temp.at("a.pt"), "--json", "--quiet"]);
  const { seconds, ...summary } = JSON.parse(stdout);
  const bytes = Deno.statSync(temp.at("a.pt")).size;
  assert(seconds > 0);
  assertEquals(summary, {
    input: STEP,
    output: temp.at("a.pt"),
    tensors: 21,
    files: [{ name: "a.pt", bytes }],
    bytes,
    notes: ["left out: model_key and fs2"],
    dtypes: ["bfloat16"],
  });
  assertEquals(stderr, "");
  assertEquals(await ckpt([...CONVERT, STEP, temp.at("b.pt"), "--quiet"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});

Deno.test("ckpt tensors convert --key names the dict, and . all of the file", async () => {
  using temp = new TempDir();
  const path = join(STEP, "model.pt");
  assertEquals((await ckpt([...CONVERT, path, temp.at("all.pt"), "--key", "."])).code, 0);
  assert((await openTensors(temp.at("all.pt"))).has("model.final_proj.weight"));
  assertEquals((await ckpt([...CONVERT, path, temp.at("model.pt"), "--key", "model"])).code, 0);
  assert((await openTensors(temp.at("model.pt"))).has("final_proj.weight"));
});

Deno.test("ckpt tensors convert takes the metadata of a safetensors file along, or says that it doesn't", async () => {
  using temp = new TempDir();
  const tensors = new Map([["a", tensorOf(new Float32Array(4))], ["b", tensorOf(new Float32Array(4))]]);
  await saveSafetensors(temp.at("in.safetensors"), tensors, { metadata: { made: "by me" } });
  assertEquals((await ckpt([...CONVERT, temp.at("in.safetensors"), temp.at("b.safetensors")])).code, 0);
  const head = new TextDecoder().decode(Deno.readFileSync(temp.at("b.safetensors")).subarray(8, 80));
  assert(head.startsWith('{"__metadata__":{"format":"pt","made":"by me"}'), head);
  const { stdout } = await ckpt([...CONVERT, temp.at("in.safetensors"), temp.at("c.pth")]);
  assert(stdout.includes("left out: the metadata of the input (made)"), stdout);
  // Split, it is a directory, which is read as one.
  assertEquals(
    (await ckpt([...CONVERT, temp.at("c.pth"), temp.at("split"), "--max-shard-size", "0.02KB"])).code,
    0,
  );
  assertEquals(temp.names("split").length, 3);
  assertEquals((await ckpt(["compare", temp.at("split"), temp.at("c.pth")])).code, 0);
});

Deno.test("ckpt tensors convert refuses what can't be, before anything is written", async () => {
  using temp = new TempDir();
  await saveTorch(temp.at("there.pt"), new Map([["a", tensorOf(new Float32Array(1))]]));
  const cases: readonly (readonly [args: string[], code: number, message: string])[] = [
    [[STEP, temp.at("there.pt")], 1, `${temp.at("there.pt")}: exists already; name a new file`],
    [[STEP, temp.at("a.npz")], 2, "says no format; name a file that ends in .safetensors, .pt, .pth or .bin"],
    [[STEP, temp.at("a.gguf")], 2, "(ckpt convert --to gguf makes GGUF of the models that it knows)"],
    [[STEP, temp.at("a.pt"), "--max-shard-size", "5GB"], 2, "is to be a directory"],
    [[STEP, temp.at("a"), "--max-shard-size", "many"], 2, "Can't read the size"],
    [[STEP, temp.at("a.pt"), "--rename", "decoder"], 2, "Option --rename needs an old name and a new one"],
    [[STEP, temp.at("a.pt"), "--rename", "decoder.*="], 2, "Option --rename needs"],
    [[STEP, temp.at("a.pt"), "--dtype", "q8_0"], 2, "Option --dtype needs one of"],
    [[STEP, temp.at("a.pt"), "--rename", "encoder.*=*"], 1, 'No tensor has a name that fits "encoder.*"'],
    [[STEP, temp.at("a.pt"), "--only", "encoder.*"], 1, 'No tensor has a name that fits "encoder.*"'],
    [[STEP, temp.at("a.pt"), "--drop", "*"], 1, "There are no tensors to save"],
    [[STEP, temp.at("a.pt"), "--rename", "*=x"], 1, "would both be x"],
    [[STEP, temp.at("a.pt"), "--key", "optimizer"], 1, 'holds no tensors under "optimizer"'],
    [[temp.at("none.pt"), temp.at("a.pt")], 1, "no such file or directory"],
  ];
  for (const [args, code, message] of cases) {
    const run = await ckpt([...CONVERT, ...args]);
    assertEquals([run.code, run.stdout], [code, ""], run.stderr);
    assert(run.stderr.includes(message), run.stderr);
  }
  assertEquals(temp.names(), ["there.pt"]);
});

Deno.test({
  name: "ckpt tensors convert that is interrupted leaves nothing",
  ignore: Deno.build.os === "windows",
  async fn() {
    using temp = new TempDir();
    // Sparse, so that it is made in no time; and large enough not to be done before.
    await saveSafetensors(temp.at("in.safetensors"), new Map([["w", tensorOf(new Uint8Array(8))]]), {
      metadata: {},
    });
    const size = 3e9;
    const header = new TextEncoder().encode(
      `{"w":{"dtype":"U8","shape":[${size}],"data_offsets":[0,${size}]}}`,
    );
    const head = new Uint8Array(8 + header.length);
    new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true);
    head.set(header, 8);
    Deno.writeFileSync(temp.at("in.safetensors"), head);
    Deno.truncateSync(temp.at("in.safetensors"), head.length + size);
    const [program, ...args] = commandLine([
      ...CONVERT,
      temp.at("in.safetensors"),
      temp.at("out.pt"),
      "--no-clone",
    ]);
    const child = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    })
      .spawn();
    while (!temp.names().includes("out.pt.partial")) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [130, "stopped: nothing was finished\n"]);
    assertEquals(temp.names(), ["in.safetensors"]);
  },
});

Deno.test({
  name:
    "ckpt tensors convert makes of a checkpoint of Lightning what safetensors' own script makes of its state dict",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    await runPython(
      `
import argparse, sys, torch
w = torch.randn(4, 6)
state = {"net.w": w, "net.tied": w, "net.turned": w.T, "net.steps": torch.tensor(3)}
torch.save({"epoch": 1, "pytorch-lightning_version": "2.5", "state_dict": state, "hyper_parameters": argparse.Namespace(lr=1),
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(4, 6)}}}]}, sys.argv[1] + "/last.ckpt")`,
      [temp.path],
    );
    const { code, stdout } = await ckpt([
      ...CONVERT,
      temp.at("last.ckpt"),
      temp.at("out.safetensors"),
      "--rename",
      "net.*=*",
    ]);
    assertEquals(code, 0);
    assertEquals(stdout.split("\n").filter((line) => line.includes("note")).map((line) => line.slice(10)), [
      "left out: epoch, pytorch-lightning_version, hyper_parameters and optimizer_states (1 tensor)",
      "shared items are written for each tensor, as safetensors wants them: w and tied and turned",
      "made contiguous, as safetensors wants them: turned",
    ]);
    await runPython(
      `
import sys, torch, safetensors.torch
state = torch.load(sys.argv[1] + "/last.ckpt", weights_only=False)["state_dict"]
made = safetensors.torch.load_file(sys.argv[1] + "/out.safetensors")
assert {"net." + k for k in made} == set(state)
for k, v in made.items():
    assert torch.equal(v, state["net." + k]) and v.dtype == state["net." + k].dtype`,
      [temp.path],
    );
  },
});
