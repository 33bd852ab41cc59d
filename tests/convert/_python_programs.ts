/**
 * Programs that load checkpoints with the libraries that they are for, and compute with them. Each prints `null`
 * where its library, or another version of it, isn't installed.
 */

/**
 * transformers: prints, for each pair of arguments (a Hugging Face directory, and a file of tokens and logits), the
 * largest error of the logits relative to the largest logit, the dtype of the model as it is stored, and whether its
 * matrices are tied.
 */
export const TRANSFORMERS = `
import json, sys
import torch
try:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging
except ImportError:
    print("null"); sys.exit()
logging.set_verbosity_error()
results = []
for path, logits in zip(sys.argv[1::2], sys.argv[2::2]):
    stored = AutoModelForCausalLM.from_pretrained(path, torch_dtype="auto")
    model = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.float32).eval()
    expected = torch.load(logits, weights_only=True)
    with torch.no_grad():
        actual = model(expected["tokens"]).logits
    error = (actual - expected["logits"]).abs().max() / expected["logits"].abs().max()
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    results.append([float(error), str(stored.dtype).removeprefix("torch."), tied])
print(json.dumps(results))
`;

/**
 * Meta's llama-models, with fairscale: prints, for each pair of arguments (a directory in Meta's layout, and a file of
 * tokens and logits), the largest error of the logits. Its own code joins the shards.
 */
export const LLAMA_MODELS = `
import json, os, socket, sys
import torch
try:
    from fairscale.nn.model_parallel.initialize import initialize_model_parallel
    from llama_models.checkpoint import maybe_reshard_state_dict
    from llama_models.llama3.args import ModelArgs
    from llama_models.llama3.model import Transformer
except ImportError:
    print("null"); sys.exit()
from contextlib import redirect_stdout
from pathlib import Path
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
os.environ.update(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
torch.distributed.init_process_group("gloo")
results = []
with redirect_stdout(sys.stderr):
    initialize_model_parallel(1)
    for path, logits in zip(sys.argv[1::2], sys.argv[2::2]):
        params = json.loads((Path(path) / "params.json").read_text())
        args = ModelArgs(max_seq_len=64, max_batch_size=1, **params)
        model = Transformer(args).float()
        state = maybe_reshard_state_dict(sorted(Path(path).glob("*.pth")), n_kv_heads=args.n_kv_heads)
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
        expected = torch.load(logits, weights_only=True)
        with torch.no_grad():
            actual = model(expected["tokens"], 0)
        results.append(float((actual - expected["logits"]).abs().max() / expected["logits"].abs().max()))
print(json.dumps(results))
`;

/**
 * fairseq2 0.3, 0.4 or 0.8: prints the version, and for each pair of arguments (a checkpoint's directory, and a file of
 * tokens and logits, or an empty text) the largest error of the logits, or of the weights where there are several
 * shards or no logits; or the class of the error that it was refused with. Directories of the other layout are left
 * out.
 */
export const FAIRSEQ2 = `
import json, sys
try:
    import fairseq2, torch, yaml
except ImportError:
    print("null"); sys.exit()
from pathlib import Path
generation = ".".join(fairseq2.__version__.split(".")[:2])

def step_of(path):
    return next(path.glob("step_*"))

def load_0_3(path, shards):
    from fairseq2 import setup_fairseq2
    from fairseq2.assets import default_asset_store
    from fairseq2.checkpoint.metadata_provider import FileCheckpointMetadataProvider
    from fairseq2.gang import FakeGang
    from fairseq2.models.llama import load_llama_model
    setup_fairseq2()
    default_asset_store.user_metadata_providers[:] = [FileCheckpointMetadataProvider(path)]
    default_asset_store.clear_cache()
    for rank in range(shards):
        gangs = {} if shards == 1 else {
            "gangs": {"tp": FakeGang(rank=rank, size=shards, device=torch.device("cpu"))}
        }
        yield load_llama_model(f"checkpoint_{step_of(path).name}", dtype=torch.float32, **gangs)

def load_0_4(path, shards):
    from fairseq2.assets import StandardAssetMetadataFileLoader
    from fairseq2.checkpoint._metadata_provider import FileCheckpointMetadataLoader
    from fairseq2.gang import FakeGang, Gangs
    from fairseq2.models import ModelHandler
    from fairseq2.setup import setup_library
    from fairseq2.utils.yaml import StandardYamlLoader
    context = setup_library()
    files = context.file_system
    loader = FileCheckpointMetadataLoader(path, files, StandardAssetMetadataFileLoader(StandardYamlLoader(files)))
    context.asset_store.metadata_providers.append(loader.load())
    card = context.asset_store.retrieve_card(f"checkpoint_{step_of(path).name}")
    handler = context.get_registry(ModelHandler).get("llama")
    for rank in range(shards):
        one, many = FakeGang(), FakeGang(rank=rank, size=shards)
        yield handler.load(card, Gangs(many, one, many), torch.float32, None)

def load_0_8(path, shards):
    from fairseq2 import init_fairseq2
    from fairseq2.assets import AssetCard
    from fairseq2.models.llama import get_llama_model_hub
    global initialized
    if not initialized:
        init_fairseq2()
        initialized = True
    metadata = yaml.safe_load((path / "model.yaml").read_text())
    hub = get_llama_model_hub()
    config = hub.get_model_config(AssetCard("checkpoint", metadata))
    yield hub.load_custom_model(step_of(path) / "model", config, dtype=torch.float32)

initialized = False
load = {"0.3": load_0_3, "0.4": load_0_4, "0.8": load_0_8}[generation]

def compute(model, tokens):
    if generation == "0.8":
        from fairseq2.nn import BatchLayout
        return model(tokens, BatchLayout.of(tokens))
    from fairseq2.models.sequence import SequenceBatch
    return model(SequenceBatch(tokens, None)).logits

def check(path, logits):
    whole = step_of(path) / "model.pt"
    files = [whole] if whole.exists() else sorted(step_of(path).glob("model.*.pt"))
    is_native = not files
    shards = max(1, len(files))
    error = 0.0
    for rank, model in enumerate(load(path, shards)):
        model.eval()
        if logits and shards == 1:
            expected = torch.load(logits, weights_only=True)
            with torch.no_grad():
                actual = compute(model, expected["tokens"])
            error = max(error, float((actual - expected["logits"]).abs().max() / expected["logits"].abs().max()))
        if not is_native:
            saved = torch.load(files[rank], weights_only=True)["model"]
            state = model.state_dict()
            assert list(saved) == list(state)
            error = max([error] + [float((state[name] - saved[name].float()).abs().max()) for name in saved])
    return error

results = []
for path, logits in zip(map(Path, sys.argv[1::2]), sys.argv[2::2]):
    is_native = (step_of(path) / "model").exists()
    if is_native != (generation == "0.8"):
        results.append("other layout")
        continue
    try:
        results.append(check(path.resolve(), logits))
    except Exception as error:
        results.append(type(error).__name__)
print(json.dumps([generation, results]))
`;
