"""fairseq2 0.8 loads native checkpoints of its families.

Usage: fairseq2_families.py JOBS, where JOBS is JSON: a list of [source, outputs, logits]: a directory with a model.yaml and a
step, which fairseq2 wrote, directories of the same model that are to be loaded, as [number of tensor-parallel shards, directory],
and a file of tokens and logits, or "".

Each directory's own model.yaml says the model, as fairseq2 itself reads it. Its loader joins the shards, and it loads each rank of
as many as there are. All has to be the same as what it loads of the source, bit for bit, and the model has to give the logits.
What fairseq2 can't do itself is left out: it doesn't join the shards of an OLMo, whose modules split in other places without
tensor parallelism. Prints the number of tensors that were compared, and the largest error of logits relative to the largest one.

fairseq2's C++ part isn't needed: a module fairseq2n in its place that has DOC_MODE = True is enough.
"""

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import torch
from fairseq2 import init_fairseq2
from fairseq2.assets import AssetCard
from fairseq2.file_system import NativeLocalFileSystem
from fairseq2.gang import FakeGang, Gangs
from fairseq2.io import _TorchTensorFileLoader
from fairseq2.model_checkpoint import ModelCheckpointLoadOptions
from fairseq2.model_checkpoint.native import _NativeModelCheckpointLoader
from fairseq2.models.mistral import get_mistral_model_hub
from fairseq2.models.olmo import get_olmo_model_hub
from fairseq2.models.qwen import get_qwen_model_hub
from fairseq2.nn import BatchLayout, get_shard_dims
from fairseq2.utils.yaml import RuamelYamlLoader

init_fairseq2()

CPU = torch.device("cpu")
FILES = NativeLocalFileSystem()
HUBS = {"qwen": get_qwen_model_hub(), "mistral": get_mistral_model_hub(), "olmo": get_olmo_model_hub()}


def gangs_of(rank: int, size: int) -> Gangs:
    one, tp = FakeGang(CPU), FakeGang(CPU, rank=rank, size=size)
    return Gangs(root=tp, dp=one, rdp=one, sdp=one, tp=tp, pp=one)


class Context:
    def __init__(self, gangs: Gangs) -> None:
        self.gangs = gangs

    def get_current_gangs(self, device: object = None) -> Gangs:
        return self.gangs


def card_of(root: Path) -> AssetCard:
    return AssetCard("checkpoint", RuamelYamlLoader(FILES).load(root / "model.yaml")[0])


def load(root: Path, rank: int = 0, size: int = 1) -> tuple:
    """The model that fairseq2 makes of a directory on a rank, where it splits it, and the state dict of its loader."""
    card = card_of(root)
    hub = HUBS[card.field("model_family").as_(str)]
    gangs = gangs_of(rank, size)
    with gangs:
        model = hub.create_new_model(hub.get_model_config(card), gangs=gangs)
        dims = get_shard_dims(model)
    (step,) = root.glob("step_*")
    loader = _NativeModelCheckpointLoader(FILES, _TorchTensorFileLoader(FILES), Context(gangs))
    state = dict(loader.lazy_load(step / "model", dims, ModelCheckpointLoadOptions(gangs=gangs)))
    for name, tensor in model.state_dict().items():
        assert name in state or name == "final_proj.weight", (root, name)
        assert name not in state or state[name].shape == tensor.shape, (root, rank, name)
    return model, dims, state


compared, error = 0, 0.0


def compare(actual: dict, expected: dict, what: object) -> None:
    global compared
    # fairseq2's loader leaves out a tensor that it gave already, by whichever name it came.
    assert set(actual) ^ set(expected) <= {"decoder_frontend.embed.weight", "final_proj.weight"}, what
    for name in set(actual) & set(expected):
        a, b = actual[name], expected[name]
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b), (what, name)
        compared += 1


for source, outputs, logits in json.loads(sys.argv[1]):
    source = Path(source)
    family = card_of(source).field("model_family").as_(str)
    _, _, whole = load(source)
    for shards, directory in outputs:
        directory = Path(directory)
        if shards == 1 or family != "olmo":
            model, _, joined = load(directory)
            compare(joined, whole, (directory, "joined"))
            if logits:
                state = {name: tensor.float() for name, tensor in joined.items()}
                state.setdefault("final_proj.weight", state["decoder_frontend.embed.weight"])
                model.float().eval().load_state_dict(state, strict=True)
                expected = torch.load(logits, weights_only=True)
                with torch.no_grad():
                    actual = model(expected["tokens"], BatchLayout.of(expected["tokens"]))
                difference = (actual - expected["logits"]).abs().max() / expected["logits"].abs().max()
                error = max(error, float(difference))
        for rank in range(shards if shards > 1 else 0):
            _, dims, state = load(directory, rank, shards)
            parts = {
                name: tensor.chunk(shards, dim=dims[name])[rank] if name in dims else tensor
                for name, tensor in whole.items()
            }
            compare(state, parts, (directory, rank))

print(json.dumps([compared, error]))
