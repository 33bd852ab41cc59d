"""fairseq2 0.8 loads directories in the reference layout, and its own checkpoints.

Usage: fairseq2_0_8.py JOBS, where JOBS is JSON: a list of [model.yaml, native step or "", outputs, logits], with outputs a list of
[number of shards, directory], and logits a file of tokens and logits, or "".

fairseq2's own loader joins every output's shards to one model, and splits the joined one into as many as each other output has.
Its loader of native checkpoints joins the source. All has to be the same. The model has to give the logits. Prints the number of
tensors that were compared, and the largest error of logits relative to the largest logit.
"""

import json
import sys
from pathlib import Path

import torch
import yaml

from fairseq2.file_system import NativeLocalFileSystem
from fairseq2.gang import FakeGang, Gangs
from fairseq2.io import _TorchTensorFileLoader
from fairseq2.model_checkpoint import ModelCheckpointLoadOptions
from fairseq2.model_checkpoint.native import _NativeModelCheckpointLoader
from fairseq2.models.llama.checkpoint import _LLaMACheckpointLoader
from fairseq2.models.llama.config import LLaMAConfig
from fairseq2.models.llama.factory import create_llama_model
from fairseq2.models.llama.interop import convert_llama_state_dict
from fairseq2.nn import BatchLayout, get_shard_dims

CPU = torch.device("cpu")
FS = NativeLocalFileSystem()


def config_of(path):
    fields = yaml.safe_load(Path(path).read_text())["model_config"]
    fields = dict(fields.get("_set_", fields))
    scale = fields.pop("rope_scale", None) or fields.pop("rope_scaling", None)
    if "vocab_info" in fields:  # until 0.4
        fields["vocab_size"] = fields.pop("vocab_info")["size"]
        fields["ffn_inner_dim_multiple_of"] = fields.pop("ffn_inner_dim_to_multiple")
        fields["shard_embed_dim"] = fields["max_seq_len"] < 8192
    config = LLaMAConfig(**fields)
    if scale:
        for name, value in scale.items():
            setattr(config.rope_scale, name, tuple(value) if isinstance(value, list) else value)
    return config


class Context:
    """One of so many tensor-parallel ranks."""

    def __init__(self, rank=0, size=1):
        self.rank, self.size = rank, size

    def get_current_gangs(self, device=None):
        one = FakeGang(CPU)
        tp = FakeGang(CPU, rank=self.rank, size=self.size)
        return Gangs(root=tp, dp=one, rdp=one, sdp=one, tp=tp, pp=one)


def load(kind, path, config, context=Context()):
    """A state dict by one of fairseq2's loaders. It gives what is shared once."""
    dims = get_shard_dims(create_llama_model(config))
    loader = kind(FS, _TorchTensorFileLoader(FS), context)
    converter = lambda state: convert_llama_state_dict(state, config)
    options = ModelCheckpointLoadOptions(mmap=False, state_dict_converter=converter)
    return dict(loader.lazy_load(Path(path), dims, options))


compared, error = 0, 0.0


def compare(actual, expected, what):
    global compared
    # fairseq2's loader leaves out a tensor that it gave already, by whichever name it came.
    shared = {"decoder_frontend.embed.weight", "final_proj.weight"}
    assert set(actual) ^ set(expected) <= shared, (what, set(actual) ^ set(expected))
    for name in set(actual) & set(expected):
        a, b = actual[name], expected[name]
        # torch.cat widens to float32 where FSDP1 has saved an empty piece.
        assert a.shape == b.shape and (a.dtype == b.dtype or torch.float32 in (a.dtype, b.dtype)), (what, name)
        assert torch.equal(a.float(), b.float()), (what, name)
        compared += 1


for model_yaml, native, outputs, logits in json.loads(sys.argv[1]):
    config, outputs = config_of(model_yaml), dict(outputs)
    whole = load(_LLaMACheckpointLoader, outputs[1], config)
    if native:
        compare(whole, load(_NativeModelCheckpointLoader, Path(native) / "model", config), native)
    for shards, directory in outputs.items():
        compare(load(_LLaMACheckpointLoader, directory, config), whole, (directory, "joined"))
        for rank in range(shards):
            context = Context(rank, shards)
            actual = load(_LLaMACheckpointLoader, directory, config, context)
            compare(actual, load(_LLaMACheckpointLoader, outputs[1], config, context), (directory, rank))
    if logits:
        expected = torch.load(logits, weights_only=True)
        model = create_llama_model(config).float().eval()
        state = {name: tensor.float() for name, tensor in whole.items()}
        state.setdefault("final_proj.weight", state["decoder_frontend.embed.weight"])
        model.load_state_dict(state, strict=True)
        with torch.no_grad():
            actual = model(expected["tokens"], BatchLayout.of(expected["tokens"]))
        error = max(error, float((actual - expected["logits"]).abs().max() / expected["logits"].abs().max()))

print(json.dumps([compared, error]))
