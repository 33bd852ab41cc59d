"""fairseq2 0.3 loads directories in the reference layout.

Usage: fairseq2_0_3.py JOBS, where JOBS is JSON: a list of [model.yaml, source step, outputs, logits], with outputs a list of
[number of shards, directory], and logits a file of tokens and logits, or "".

Every output is converted by fairseq2's own convert_llama_checkpoint and loaded into its own model, strictly. A whole model has
to give the logits; sharded by fairseq2's own sharder, it has to give the source's files (where the source is in shards of
0.2 to 0.4) and those of the sharded outputs. Prints the number of tensors that were compared, and the largest error of logits
relative to the largest logit.
"""

import json
import sys
from pathlib import Path

import torch
import yaml

from fairseq2.data import VocabularyInfo
from fairseq2.gang import FakeGang
from fairseq2.models.llama import LLaMAConfig, create_llama_model
from fairseq2.models.llama.loader import convert_llama_checkpoint, shard_llama_model
from fairseq2.models.sequence import SequenceBatch

CPU = torch.device("cpu")


def config_of(path):
    fields = yaml.safe_load(Path(path).read_text())["model_config"]
    fields = fields.get("_set_", fields)
    size = fields["vocab_info"]["size"] if "vocab_info" in fields else fields["vocab_size"]
    multiple = fields.get("ffn_inner_dim_to_multiple", fields.get("ffn_inner_dim_multiple_of"))
    return LLaMAConfig(
        model_dim=fields["model_dim"],
        max_seq_len=fields["max_seq_len"],
        vocab_info=VocabularyInfo(size=size, unk_idx=None, bos_idx=None, eos_idx=None, pad_idx=None),
        num_layers=fields["num_layers"],
        num_attn_heads=fields["num_attn_heads"],
        num_key_value_heads=fields["num_key_value_heads"],
        # 0.3 has no multiplier.
        ffn_inner_dim=int(fields["ffn_inner_dim"] * fields.get("ffn_inner_dim_multiplier", 1)),
        ffn_inner_dim_scale=fields["ffn_inner_dim_scale"],
        ffn_inner_dim_to_multiple=multiple,
        rope_theta=fields["rope_theta"],
        use_scaled_rope=fields["use_scaled_rope"],
        dropout_p=0.0,
    )


def load(config, directory, rank, shards, dtype):
    """A model with one shard of an output."""
    model = create_llama_model(config, device=CPU, dtype=dtype)
    if shards > 1:
        shard_llama_model(model, config, {"tp": FakeGang(rank=rank, size=shards, device=CPU)})
    checkpoint = torch.load(f"{directory}/consolidated.{rank:02d}.pth", weights_only=True)
    model.load_state_dict(convert_llama_checkpoint(checkpoint, config)["model"], strict=True)
    return model.eval()


def source_state(path):
    saved = torch.load(path, weights_only=True)
    state = saved[saved["model_key"]]
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


compared, error = 0, 0.0


def compare(model, expected, what):
    global compared
    state = model.state_dict()
    assert set(state) == set(expected), what
    for name, tensor in state.items():
        other = expected[name]
        assert tensor.dtype == other.dtype and torch.equal(tensor, other), (what, name)
        compared += 1


for model_yaml, step, outputs, logits in json.loads(sys.argv[1]):
    config, outputs = config_of(model_yaml), dict(outputs)
    first = torch.load(f"{outputs[1]}/consolidated.00.pth", weights_only=True)
    dtype = first["norm.weight"].dtype
    if (Path(step) / "model.pt").exists():
        compare(load(config, outputs[1], 0, 1, dtype), source_state(f"{step}/model.pt"), step)
    sources = sorted(Path(step).glob("model.[0-9]*.pt"))
    for shards in set(outputs) | {len(sources)} - {0}:
        for rank in range(shards):
            # The joined model, sharded by fairseq2.
            model = load(config, outputs[1], 0, 1, dtype)
            if shards > 1:
                shard_llama_model(model, config, {"tp": FakeGang(rank=rank, size=shards, device=CPU)})
            if shards == len(sources):
                compare(model, source_state(sources[rank]), (step, rank))
            if shards in outputs:
                compare(load(config, outputs[shards], rank, shards, dtype), model.state_dict(), (step, shards, rank))
    if logits:
        expected = torch.load(logits, weights_only=True)
        model = load(config, outputs[1], 0, 1, dtype).float()
        with torch.no_grad():
            actual = model(SequenceBatch(expected["tokens"], None)).logits
        error = max(error, float((actual - expected["logits"]).abs().max() / expected["logits"].abs().max()))

print(json.dumps([compared, error]))
