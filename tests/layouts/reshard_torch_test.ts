/**
 * Joins and splits against torch itself: every tensor of every output is what `torch.cat` and `torch.chunk` make of
 * the same input.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const NATIVE = join(import.meta.dirname!, "..", "..", "fixtures", "fairseq2_native");

/** Compares outputs with their inputs; prints how many tensors it compared. */
const compare = `
import json, re, sys, torch
from pathlib import Path

NAMES = [
    (r"^decoder_frontend\\.embed\\.", "tok_embeddings."),
    (r"^decoder\\.layer_norm\\.", "norm."),
    (r"^final_proj\\.", "output."),
    (r"^decoder\\.", ""),
    (r"\\.self_attn\\.q_proj\\.", ".attention.wq."),
    (r"\\.self_attn\\.k_proj\\.", ".attention.wk."),
    (r"\\.self_attn\\.v_proj\\.", ".attention.wv."),
    (r"\\.self_attn\\.output_proj\\.", ".attention.wo."),
    (r"\\.self_attn_layer_norm\\.", ".attention_norm."),
    (r"\\.ffn\\.gate_proj\\.", ".feed_forward.w1."),
    (r"\\.ffn\\.output_proj\\.", ".feed_forward.w2."),
    (r"\\.ffn\\.inner_proj\\.", ".feed_forward.w3."),
    (r"\\.ffn_layer_norm\\.", ".ffn_norm."),
]

def reference_name(name):
    for pattern, to in NAMES:
        name = re.sub(pattern, to, name)
    return name

def dimension(name, embed_dim):
    if "norm" in name:
        return None
    if name.startswith("decoder_frontend"):
        return embed_dim
    return 1 if "output_proj" in name else 0

def load(path):
    state = torch.load(path, weights_only=True)
    if "model_key" in state:
        state = state[state["model_key"]]
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}

def grid(step):
    """The files of a step by stage, tensor-parallel rank and piece."""
    step = Path(step)
    if (step / "model").is_dir():
        ranks = lambda directory, pattern: sorted(directory.glob(pattern))
        return [
            [[load(sdp) for sdp in ranks(tp, "sdp_*.pt")] for tp in ranks(pp, "tp_*")]
            for pp in ranks(step / "model", "pp_*")
        ]
    if (step / "model.pt").exists():
        return [[[load(step / "model.pt")]]]
    return [[[load(path)] for path in sorted(step.glob("model.*.pt"))]]

def whole(step, embed_dim):
    """The whole state dict, and the storage of each tensor."""
    state, storages = {}, {}
    stages = grid(step)
    for shards in stages:
        for name in {name: None for pieces in shards for piece in pieces for name in piece}:
            joined = []
            for pieces in shards:
                parts = [piece[name] for piece in pieces if name in piece and piece[name].numel() > 0]
                joined.append(torch.cat(parts))
            storages[name] = [p[name].untyped_storage().data_ptr() for s in shards for p in s if name in p]
            dim = dimension(name, embed_dim)
            state[name] = joined[0] if dim is None else torch.cat(joined, dim)
    return state, storages, len(stages[0])

compared = 0
for step, embed_dim, outputs in json.loads(sys.argv[1]):
    state, storages, tp = whole(step, embed_dim)
    for count, output in outputs:
        for rank in range(count):
            actual = torch.load(f"{output}/consolidated.{rank:02d}.pth", weights_only=True)
            assert list(actual) == [reference_name(name) for name in state], (step, list(actual))
            for name, tensor in state.items():
                dim = dimension(name, embed_dim)
                expected = tensor if dim is None else tensor.chunk(count, dim)[rank]
                got = actual[reference_name(name)]
                what = (step, count, rank, name, got.dtype, got.shape)
                assert got.dtype == expected.dtype and got.shape == expected.shape, what
                assert not got.requires_grad and got.device.type == "cpu", what
                # A shard that is neither joined nor split keeps its strides.
                assert got.is_contiguous() or count == tp, what
                assert torch.equal(got.contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8)), what
                compared += 1
            a, b = "decoder_frontend.embed.weight", "final_proj.weight"
            x, y = (actual[reference_name(name)].untyped_storage().data_ptr() for name in (a, b))
            assert (x == y) == (storages[a] == storages[b]), (step, count, rank, "tied")
print(compared)
`;

/** Saves checkpoints of odd sizes, in pieces that lie in all sorts of storages; prints what they are. */
const make = `
import json, sys, torch
from pathlib import Path

root = Path(sys.argv[1])
made = []
for seed in range(6):
    torch.manual_seed(seed)
    number = lambda low, high: int(torch.randint(low, high + 1, ()))
    pp, tp, sdp = number(1, 3), number(1, 3), number(1, 5)
    counts = [1, 2, 3, 6]
    kv = 6
    heads = kv * number(1, 2)
    dim = heads * 2 * number(1, 2)
    ffn, vocab = 6 * (2 * number(1, 6) + 1), 6 * (2 * number(1, 4) + 1)
    embed_dim = seed % 2
    dtype = [torch.bfloat16, torch.float32, torch.float16][seed % 3]
    rows = {"q_proj": dim, "k_proj": dim // heads * kv, "v_proj": dim // heads * kv, "gate_proj": ffn, "inner_proj": ffn}
    shapes = {"decoder_frontend.embed.weight": (vocab, dim)}
    for layer in range(3):
        p = f"decoder.layers.{layer}."
        shapes[p + "self_attn_layer_norm.weight"] = (dim,)
        for name in ("q_proj", "k_proj", "v_proj"):
            shapes[f"{p}self_attn.{name}.weight"] = (rows[name], dim)
        shapes[p + "self_attn.output_proj.weight"] = (dim, dim)
        shapes[p + "ffn_layer_norm.weight"] = (dim,)
        for name in ("gate_proj", "inner_proj"):
            shapes[f"{p}ffn.{name}.weight"] = (rows[name], dim)
        shapes[p + "ffn.output_proj.weight"] = (dim, ffn)
    shapes["decoder.layer_norm.weight"] = (dim,)
    shapes["final_proj.weight"] = (vocab, dim)

    def stored(piece, kind):
        """The same piece, in another sort of storage."""
        if kind == 0:
            return piece.clone()
        if kind == 1:  # FSDP2's: padded at the end
            flat = torch.randn(piece.numel() + 7).to(dtype)
            flat[: piece.numel()] = piece.flatten()
            return flat[: piece.numel()].view(piece.shape)
        if kind == 2:  # a view with something before it
            flat = torch.randn(piece.numel() + 5).to(dtype)
            flat[5:] = piece.flatten()
            return flat[5:].view(piece.shape)
        return piece.t().clone(memory_format=torch.contiguous_format).t() if piece.dim() == 2 else piece.clone()

    def split_dim(name):
        if "norm" in name:
            return None
        return embed_dim if name.startswith("decoder_frontend") else 1 if "output_proj" in name else 0

    def stage(name):
        if name.startswith("decoder_frontend"):
            return 0
        return int(name.split(".")[2]) % pp if ".layers." in name else pp - 1

    step = root / f"in{seed}" / "step_1"
    files = {(p, t, s): {} for p in range(pp) for t in range(tp) for s in range(sdp)}
    # In the order of the stages, which is that of the joined state.
    for name, shape in shapes.items():
        tensor = (torch.randn(shape) * 100).to(dtype)
        dim_ = split_dim(name)
        for t in range(tp):
            shard = tensor if dim_ is None else tensor.chunk(tp, dim_)[t]
            cuts = sorted(number(0, shard.shape[0]) for _ in range(sdp - 1))
            cuts[:0], cuts[len(cuts):] = [0], [shard.shape[0]]
            for s in range(sdp):
                piece = shard[cuts[s] : cuts[s + 1]]
                files[stage(name), t, s][name] = stored(piece, number(0, 3))
    for (p, t, s), state in files.items():
        path = step / "model" / f"pp_{p:02d}" / f"tp_{t:02d}" / f"sdp_{s:02d}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path)
    (step.parent / "model.yaml").write_text(
        f"name: checkpoint\\nmodel_family: llama\\nmodel_config:\\n  model_dim: {dim}\\n  max_seq_len: 4096\\n"
        f"  vocab_size: {vocab}\\n  num_layers: 3\\n  num_attn_heads: {heads}\\n  num_key_value_heads: {kv}\\n"
        f"  ffn_inner_dim: {ffn}\\n  ffn_inner_dim_scale: 1.0\\n  ffn_inner_dim_multiple_of: 1\\n"
        f"  shard_embed_dim: {'true' if embed_dim == 1 else 'false'}\\n"
    )
    made.append([str(step), embed_dim, counts])
print(json.dumps(made))
`;

/** A checkpoint, the dimension along which its embedding is split, and the numbers of shards to make. */
type Job = readonly [step: string, embeddingShardDim: number, counts: readonly number[]];

async function comparedAfter(jobs: readonly Job[], temp: TempDir): Promise<string> {
  const done = [];
  for (const [i, [input, embeddingShardDim, counts]] of jobs.entries()) {
    const outputs = [];
    for (const shards of counts) {
      const output = temp.at(`out${i}_${shards}`);
      await convertCheckpoint({ input, output, shards, clone: false });
      outputs.push([shards, output]);
    }
    done.push([input, embeddingShardDim, outputs]);
  }
  return (await runPython(compare, [JSON.stringify(done)])).trim();
}

Deno.test({
  name: "convertCheckpoint() joins and splits fairseq2's checkpoints as torch.cat and torch.chunk do",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const step = (name: string) => join(CHECKPOINTS, name, "step_10");
    const native = (name: string) => join(NATIVE, name, "checkpoints", "step_20");
    const compared = await comparedAfter([
      [step("fairseq2-0.3.0/llama3_bf16"), 0, [1, 2]],
      [step("fairseq2-0.3.0/llama2_fp16"), 1, [1, 2, 4]],
      [step("fairseq2-0.3.0/llama3_fp32_ddp"), 0, [1, 2]],
      [step("fairseq2-0.3.0/llama3_bf16_tp2"), 0, [1, 2]],
      [step("fairseq2-0.3.0/llama2_fp32_tp4"), 1, [1, 2, 4]],
      [step("fairseq2-0.4.5/llama3_bf16"), 0, [1, 2]],
      [step("fairseq2-0.4.5/llama3_bf16_tp2"), 0, [1, 2]],
      ...["llama3_bf16", "llama3_bf16_tied", "llama3_bf16_fsdp3", "llama3_fp32_tp2_fsdp2"].map(
        (name): Job => {
          return [step(`fairseq2-0.8.1/${name}/checkpoints`), 0, [1, 2]];
        },
      ),
      [native("fsdp1_bf16"), 0, [1, 2]],
      [native("fsdp2_bf16"), 0, [1, 2]],
      [native("llama2_tp2_fsdp1_fp32"), 1, [1, 2]],
      [native("tied_fsdp2_fp16"), 0, [1, 2]],
    ], temp);
    // 21 tensors a file: 13 checkpoints in 1 and 2 files, and 2 in 1, 2 and 4.
    assertEquals(compared, String(21 * (13 * 3 + 2 * 7)));
  },
});

Deno.test({
  name: "convertCheckpoint() joins and splits what torch saves in pieces, stages and shards of all sorts",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const jobs = JSON.parse(await runPython(make, [temp.path])) as Job[];
    assertEquals(jobs.length, 6);
    // 30 tensors a file, in 1, 2, 3 and 6 files.
    assertEquals(await comparedAfter(jobs, temp), String(6 * 30 * 12));
  },
});
