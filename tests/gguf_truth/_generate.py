"""
What transformers goes on with, greedily. A job is {"from": a directory of Hugging Face's, or a GGUF file, which
transformers dequantizes itself, "text": a text, "count": the number of tokens, "like": a Hugging Face directory that
must have the same weights}. The answer is {"prompt": the text's token ids, "tokens": those that follow, "text": their
text, "apart": names of weights that aren't the same}.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging


def load(what, path):
    path = Path(path)
    where = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    where["pretrained_model_name_or_path"] = str(path.parent if where else path)
    return what.from_pretrained(**where, **({"dtype": torch.float32} if what is AutoModelForCausalLM else {}))


def answer(job):
    model, tokenizer = load(AutoModelForCausalLM, job["from"]).eval(), load(AutoTokenizer, job["like"])
    other = load(AutoModelForCausalLM, job["like"]).state_dict()
    state = model.state_dict()
    apart = [name for name in sorted(state.keys() | other.keys()) if not torch.equal(state[name], other[name])]
    prompt = tokenizer(job["text"], return_tensors="pt")
    with torch.no_grad():
        output = model.generate(
            **prompt, do_sample=False, max_new_tokens=job["count"], min_new_tokens=job["count"], eos_token_id=None
        )
    prompt = prompt["input_ids"][0].tolist()
    tokens = output[0].tolist()[len(prompt):]
    return {"prompt": prompt, "tokens": tokens, "text": tokenizer.decode(tokens), "apart": apart}


logging.set_verbosity_error()
logging.disable_progress_bar()
jobs, answers = sys.argv[1:]
Path(answers).write_text(json.dumps([answer(job) for job in json.loads(Path(jobs).read_text())]))
