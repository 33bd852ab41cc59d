import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { WebServer } from "../_web_server.ts";

const FIXTURES = join(CHECKPOINTS, "..");
const at = (...names: string[]) => join(CHECKPOINTS, ...names);

Deno.test("ckpt inspect shows what a checkpoint is, and a tree of its tensors", async () => {
  const path = at("fairseq2-0.3.0", "llama2_fp32_tp4");
  assertEquals(await ckpt(["inspect", path]), {
    code: 0,
    stdout: `${path}
  what     LLaMA model of fairseq2 0.2-0.3
  format   torch zip, torch 2.1 to 2.6
  model    sizes of its own, 27808 parameters, float32
  files    4 files (step_10/model.0.pt, step_10/model.1.pt …), 146 kB
  tensors  21, 111 kB
  note     step 10

decoder_frontend.embed.weight    float32  [40, 32]     5.12 kB  ▊
decoder                                                 101 kB  ██████████████▌
  layers.0–1                                            101 kB  ██████████████▌
    self_attn_layer_norm.weight  float32  [32] ×2        256 B  ▏
    self_attn                                          32.8 kB  ████▊
      q_proj.weight              float32  [32, 32] ×2  8.19 kB  █▏
      k_proj.weight              float32  [32, 32] ×2  8.19 kB  █▏
      v_proj.weight              float32  [32, 32] ×2  8.19 kB  █▏
      output_proj.weight         float32  [32, 32] ×2  8.19 kB  █▏
    ffn_layer_norm.weight        float32  [32] ×2        256 B  ▏
    ffn                                                67.6 kB  █████████▊
      gate_proj.weight           float32  [88, 32] ×2  22.5 kB  ███▎
      inner_proj.weight          float32  [88, 32] ×2  22.5 kB  ███▎
      output_proj.weight         float32  [32, 88] ×2  22.5 kB  ███▎
  layer_norm.weight              float32  [32]           128 B  ▏
final_proj.weight                float32  [40, 32]     5.12 kB  ▊
`,
    stderr: "",
  });
});

Deno.test("ckpt inspect --tensors lists all of them", async () => {
  const { code, stdout } = await ckpt([
    "inspect",
    "--tensors",
    at("fairseq2-0.3.0", "llama3_bf16", "step_10"),
  ]);
  const lines = stdout.trimEnd().split("\n").slice(7);
  assertEquals([code, lines.length], [0, 21]);
  assertEquals(lines[8]!.split(/\s{2,}/).slice(0, 4), [
    "decoder.layers.0.ffn.inner_proj.weight",
    "bfloat16",
    "[128, 32]",
    "8.19 kB",
  ]);
});

Deno.test("ckpt inspect --json prints just what is promised", async () => {
  const path = at("expected", "fairseq2-0.3.0", "llama3_bf16", "reference");
  const { code, stdout, stderr } = await ckpt(["inspect", "--json", path]);
  const { tensors, ...rest } = JSON.parse(stdout);
  assertEquals(rest, {
    format: "torch",
    family: "llama",
    layout: "reference",
    architecture: null,
    parameters: 34080,
    bytes: 68160,
    files: [{ name: "consolidated.00.pth", bytes: 75103 }],
  });
  assertEquals([code, tensors.length, tensors[1]], [0, 21, {
    name: "layers.0.attention_norm.weight",
    dtype: "bfloat16",
    shape: [32],
    bytes: 64,
  }]);
  assertEquals(stderr.split("\n").every((line) => line === "" || line.startsWith("note: ")), true);
});

Deno.test("ckpt inspect shows any other file", async () => {
  const path = join(FIXTURES, "inspect", "nested_legacy.pt");
  const { code, stdout } = await ckpt(["inspect", path]);
  assertEquals([code, stdout.split("\n").slice(0, 7)], [0, [
    path,
    "  what     torch file",
    "  format   torch, legacy format (before 1.6)",
    "  holds    29 numbers, float32, bfloat16, int64, float16, bool and uint8",
    "  files    nested_legacy.pt, 2.34 kB",
    "  tensors  16, 96 B",
    "  note     torch's weights_only refuses it: it names argparse.Namespace, __main__.Holder, " +
    "collections.defaultdict and 1 more",
  ]]);
});

Deno.test("ckpt inspect --globals lists what a pickle names, runs nothing, and says what is refused", async () => {
  using temp = new TempDir();
  const mark = temp.at("mark");
  const command = `touch ${mark}`;
  Deno.writeTextFileSync(temp.at("evil.pkl"), `cposix\nsystem\n(V${command}\ntRccollections\nOrderedDict\n.`);
  const path = temp.at("evil.pkl");
  Deno.writeTextFileSync(path, `(cposix\nsystem\n(V${command}\ntRccollections\nOrderedDict\nl.`);
  assertEquals(await ckpt(["inspect", "--globals", path]), {
    code: 0,
    stdout: "  refused  posix.system\n  allowed  collections.OrderedDict\n" +
      "2 globals, 1 of which torch's weights_only refuses\n",
    stderr: "",
  });
  assertEquals(await ckpt(["inspect", "--globals", "--json", path]), {
    code: 0,
    stdout: `{
  "globals": [
    {
      "name": "posix.system",
      "allowed": false
    },
    {
      "name": "collections.OrderedDict",
      "allowed": true
    }
  ]
}
`,
    stderr: "",
  });
  // Cut off, it may name more.
  Deno.truncateSync(path, 20);
  const cut = await ckpt(["inspect", "--globals", "--json", path]);
  assertEquals([cut.code, JSON.parse(cut.stdout)], [1, {
    globals: [{ name: "posix.system", allowed: false }],
  }]);
  assertEquals(
    /^note: the pickle: could not be read to its end: .*; it may name more\n$/.test(cut.stderr),
    true,
  );
  assertEquals(temp.names(), ["evil.pkl"]);
});

Deno.test("ckpt inspect --globals says that all is allowed, or that there is none", async () => {
  const file = at("fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt");
  assertEquals(
    (await ckpt(["inspect", "--globals", file])).stdout.split("\n").at(-2),
    "3 globals, all of which torch's weights_only allows",
  );
  const { stdout } = await ckpt(["inspect", "--globals", join(FIXTURES, "safetensors", "model.safetensors")]);
  assertEquals(stdout, "0 globals\nnote: safetensors holds no pickle\n");
});

Deno.test("ckpt inspect shows names in a file as text that does nothing", async () => {
  using temp = new TempDir();
  const header = JSON.stringify({ "a\u001b[2J\u202e": { dtype: "U8", shape: [0], data_offsets: [0, 0] } });
  const bytes = new Uint8Array(8 + header.length + 20);
  const text = new TextEncoder().encode(header);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  Deno.writeFileSync(temp.at("x.safetensors"), bytes.subarray(0, 8 + text.length));
  for (const options of [[], ["--tensors"], ["--json"]]) {
    const { code, stdout } = await ckpt(["inspect", ...options, temp.at("x.safetensors")]);
    // deno-lint-ignore no-control-regex -- That they aren't there.
    assertEquals([code, /[\x00-\x09\x0b-\x1f\u202e]/.test(stdout)], [0, false]);
  }
  const { stdout } = await ckpt(["inspect", "--json", temp.at("x.safetensors")]);
  assertEquals(JSON.parse(stdout).tensors[0].name, "a\u001b[2J\u202e");
});

Deno.test("ckpt inspect needs permission for the file, and net permission for the host alone", async () => {
  const file = at("fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt");
  const read = await ckpt(["inspect", "--json", file], { permissions: [`--allow-read=${file}`] });
  assertEquals([read.code, read.stderr], [0, ""]);
  assertEquals(await ckpt(["inspect", file], { permissions: [] }), {
    code: 1,
    stdout: "",
    stderr: `error: ${file}: permission to read it was refused; run Deno with --allow-read=${file},${
      ["step_10", ""].map((directory) => at("fairseq2-0.3.0", "llama3_bf16", directory, "model.yaml"))
    } (or -A)\n`,
  });
  await using server = new WebServer(FIXTURES);
  const url = server.url("torch/2.13.0/plain/model.pt");
  const net = await ckpt(["inspect", "--json", url], { permissions: [`--allow-net=${server.host}`] });
  assertEquals([net.code, net.stderr, JSON.parse(net.stdout).tensors.length], [0, "", 3]);
  const before = server.requests.length;
  assertEquals(await ckpt(["inspect", url], { permissions: ["--allow-read"] }), {
    code: 1,
    stdout: "",
    stderr: `error: ${server.host}: permission to connect to it was refused; run Deno with ` +
      `--allow-net=${server.host} (or -A)\n`,
  });
  assertEquals(server.requests.length, before);
});

Deno.test("ckpt inspect asks for permission where a server redirects to", async () => {
  await using target = new WebServer(FIXTURES);
  await using server = new WebServer(
    FIXTURES,
    (request) => Response.redirect(target.url(new URL(request.url).pathname.slice(1))),
  );
  const url = server.url("torch/2.13.0/plain/model.pt");
  const both = [`--allow-net=${server.host},${target.host}`];
  assertEquals((await ckpt(["inspect", url], { permissions: both })).code, 0);
  assertEquals(await ckpt(["inspect", url], { permissions: [`--allow-net=${server.host}`] }), {
    code: 1,
    stdout: "",
    stderr: `error: ${target.host}: permission to connect to it was refused; run Deno with ` +
      `--allow-net=${target.host} (or -A)\n`,
  });
});

Deno.test("ckpt inspect refuses calls that mean nothing", async () => {
  assertEquals(await ckpt(["inspect", "--globals", "--tensors", "x"]), {
    code: 2,
    stdout: "",
    stderr: "error: Options --globals and --tensors don't go together; see ckpt inspect --help\n",
  });
  assertEquals((await ckpt(["inspect"])).stderr, "error: Missing <path>; see ckpt inspect --help\n");
  assertEquals(await ckpt(["inspect", "/nowhere/x"]), {
    code: 1,
    stdout: "",
    stderr: "error: /nowhere/x: no such file or directory; check the path\n",
  });
});
