"""Judges conversions of all families with what others wrote: torch, safetensors and transformers.

Usage: _families.py JOBS, where JOBS is JSON: a list of
- {"kind": "huggingface", "path", "config", "weights", "logits"}: a Hugging Face directory that was made, the config.json and the
  safetensors file that it has to be like, and a file of tokens and logits;
- {"kind": "native", "path", "source", "sharded"}: two directories that have a model.yaml and a step in fairseq2's native
  layout, the second one written by fairseq2 itself, and how fairseq2 splits each parameter: {name with N: dimension}.

Prints the version of transformers and a result for each job:
- {"class", "dtype", "tied", "config": [keys that differ], "tensors": [names that differ], "error": of the logits, relative}, or
  {"refused": the message} where transformers doesn't load it;
- {"shards", "config": [fields that differ], "tensors": [names that differ], "order": whether the names are in the same order}.
"""

import json
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

import torch

# What a config.json may have of its own.
FREE = {"_name_or_path", "transformers_version"}


def differing(a: dict, b: dict) -> list:
    return sorted(key for key in a.keys() | b.keys() if key not in FREE and a.get(key, "absent") != b.get(key, "absent"))


def is_same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are the same, bit for bit."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().flatten().view(torch.uint8), b.contiguous().flatten().view(torch.uint8))


def safetensors_of(path: Path) -> dict:
    from safetensors.torch import load_file

    index = path / "model.safetensors.index.json"
    if not index.exists():
        return load_file(path / "model.safetensors")
    weight_map = json.loads(index.read_text())["weight_map"]
    found = {}
    for file in sorted(set(weight_map.values())):
        tensors = load_file(path / file)
        assert all(weight_map[name] == file for name in tensors), file
        found.update(tensors)
    assert set(found) == set(weight_map)
    return found


def judge_hugging_face(job: dict) -> dict:
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    path = Path(job["path"])
    with tempfile.TemporaryDirectory() as other:
        shutil.copy(job["config"], Path(other, "config.json"))
        expected_config = AutoConfig.from_pretrained(other)
    config = AutoConfig.from_pretrained(path)
    tensors, expected_tensors = safetensors_of(path), load_file(job["weights"])
    result = {
        "class": type(config).__name__,
        "dtype": str(config.dtype).removeprefix("torch."),
        "config": differing(config.to_dict(), expected_config.to_dict()),
        "tensors": sorted(
            name
            for name in tensors.keys() | expected_tensors.keys()
            if name not in tensors or name not in expected_tensors or not is_same(tensors[name], expected_tensors[name])
        ),
    }
    try:
        model, info = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
    except TypeError as error:
        return {**result, "refused": str(error)}
    left = [name for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in info[kind]]
    assert not left, (path, left)
    expected = torch.load(job["logits"], weights_only=True)
    with torch.no_grad():
        actual = model.eval()(expected["tokens"]).logits
    error = float((actual - expected["logits"]).abs().max() / expected["logits"].abs().max())
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return {**result, "tied": tied, "error": error}


def model_yaml(path: Path) -> tuple:
    import yaml

    card = yaml.safe_load((path / "model.yaml").read_text())
    config = dict(card["model_config"])
    config = dict(config.get("_set_", config))
    # PyYAML reads YAML 1.1, in which 1e-06 is a text.
    number = re.compile(r"[0-9.]+e[+-]?[0-9]+")
    return card["model_family"], {
        name: float(value) if isinstance(value, str) and number.fullmatch(value) else value
        for name, value in config.items()
    }


def effective(family: str, config: dict) -> dict:
    """What a configuration means: without what only the start of a training uses, and with what it leaves to others."""
    config = {
        name: value
        for name, value in config.items()
        if name not in ("dropout_p", "init_std", "init_std_scale", "shard_embed_dim")
    }
    if family == "qwen":
        config["head_dim"] = config["head_dim"] or config["model_dim"] // config["num_attn_heads"]
    if family == "olmo" and config["sliding_window"] is None:
        config.update(layer_types=None, yarn_scale_config=None)
    elif family == "olmo":
        layers = config["num_layers"]
        config["layer_types"] = config["layer_types"] or [
            "full_attention" if (i + 1) % 4 == 0 or i == layers - 1 else "sliding_attention" for i in range(layers)
        ]
        yarn = config["yarn_scale_config"]
        if yarn is not None:
            yarn = dict(yarn)
            scale = lambda m: 0.1 * m * math.log(yarn["scale_factor"]) + 1 if yarn["scale_factor"] > 1 else 1.0
            mscale, all_dim = yarn.pop("mscale"), yarn.pop("mscale_all_dim")
            factor = scale(mscale) / scale(all_dim) if mscale and all_dim else scale(mscale or 1.0)
            config["yarn_scale_config"] = {**yarn, "attention_factor": round(factor, 12)}
    return config


def native_state(root: Path, config: dict, sharded: dict) -> tuple:
    """A native checkpoint joined: FSDP shards along dim 0, tensor-parallel ones along their own dimensions."""
    if config.get("shard_embed_dim") is False:
        sharded = {**sharded, "decoder_frontend.embed.weight": 0}
    (step,) = root.glob("step_*")
    ranks = []
    for tp in sorted((step / "model/pp_00").glob("tp_*")):
        parts = [torch.load(file, map_location="cpu", weights_only=True) for file in sorted(tp.glob("sdp_*.pt"))]
        ranks.append({name: torch.cat([part[name] for part in parts if name in part]) for name in parts[0]})
    joined = {}
    for name in ranks[0]:
        dim = sharded.get(re.sub(r"layers\.\d+\.", "layers.N.", name))
        tensors = [rank[name] for rank in ranks]
        if dim is None:
            assert all(is_same(tensor, tensors[0]) for tensor in tensors), name
        joined[name] = tensors[0] if dim is None else torch.cat(tensors, dim=dim)
    return joined, len(ranks)


def judge_native(job: dict) -> dict:
    path, source = Path(job["path"]), Path(job["source"])
    family, config = model_yaml(path)
    expected_family, expected_config = model_yaml(source)
    state, shards = native_state(path, config, job["sharded"])
    expected, _ = native_state(source, expected_config, job["sharded"])
    config = {"family": family, **effective(family, config)}
    expected_config = {"family": expected_family, **effective(expected_family, expected_config)}
    return {
        "shards": shards,
        "config": differing(config, expected_config),
        "tensors": sorted(
            name
            for name in state.keys() | expected.keys()
            if name not in state or name not in expected or not is_same(state[name], expected[name])
        ),
        "order": list(state) == list(expected),
    }


def main() -> None:
    try:
        import transformers
    except ImportError:
        print("null")
        return
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    judges = {"huggingface": judge_hugging_face, "native": judge_native}
    print(json.dumps([transformers.__version__, [judges[job["kind"]](job) for job in json.loads(sys.argv[1])]]))


main()
