"""
Runs llama.cpp's own converter in this process, and compares what it wrote with what ckpt wrote, by gguf-py's reader.

usage: _converter.py JOBS ANSWERS, with the converter's directory in CKPT_LLAMA_CPP. A job is {"from": a Hugging Face
directory, "to": the file to write, "type": as --outtype names it, "with": ckpt's file}, and for a tokenizer that isn't
published, which alone the converter knows, "pre": what to call its pre-tokenizer. An answer is a list of the differences.
"""

import json
import logging
import os
import sys
from pathlib import Path

root = os.environ["CKPT_LLAMA_CPP"]
sys.path[:0] = [root, os.path.join(root, "gguf-py")]

import convert_hf_to_gguf
import numpy as np
from conversion import base
from gguf import GGUFReader

# What the converter makes up out of the name of the directory.
GUESSES = {"general.name", "general.basename", "general.finetune", "general.version"}

real_pre = base.TextModel.get_vocab_base_pre


def convert(job):
    pre = job.get("pre")
    base.TextModel.get_vocab_base_pre = real_pre if pre is None else lambda self, tokenizer: pre
    sys.argv = ["convert_hf_to_gguf.py", job["from"], "--outfile", job["to"], "--outtype", job["type"]]
    convert_hf_to_gguf.main()


def keys(reader):
    return {
        name: ([kind.name for kind in field.types], field.contents())
        for name, field in reader.fields.items()
        if not name.startswith("GGUF.") and name not in GUESSES
    }


def first_apart(left, right):
    both = left is not None and right is not None and isinstance(left[1], list) and isinstance(right[1], list)
    if not both or left[0] != right[0]:
        return f"{str(left)[:200]} != {str(right)[:200]}"
    apart = [i for i, (a, b) in enumerate(zip(left[1], right[1])) if a != b]
    first = f", at {apart[0]} {left[1][apart[0]]!r} != {right[1][apart[0]]!r}" if apart else ""
    return f"{len(left[1])} and {len(right[1])} items, {len(apart)} differ{first}"


def compare(ours, theirs):
    """What differs, ckpt's first."""
    left, right = GGUFReader(ours), GGUFReader(theirs)
    ours, theirs = keys(left), keys(right)
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield f"{name}: {first_apart(ours.get(name), theirs.get(name))}"
    ours, theirs = ({tensor.name: tensor for tensor in reader.tensors} for reader in (left, right))
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name), theirs.get(name)
        if a is None or b is None:
            yield f"{name}: only {'the converter' if a is None else 'ckpt'} has it"
            continue
        a_form, b_form = ((each.tensor_type.name, each.shape.tolist()) for each in (a, b))
        if a_form != b_form:
            yield f"{name}: {a_form} != {b_form}"
        elif not np.array_equal(a.data.view(np.uint8), b.data.view(np.uint8)):
            yield f"{name}: other numbers"


def answer(job):
    convert(job)
    found = list(compare(job["with"], job["to"]))
    Path(job["to"]).unlink()
    return found


logging.disable(logging.WARNING)
jobs = json.loads(Path(sys.argv[1]).read_text())
answers = sys.argv[2]
Path(answers).write_text(json.dumps([answer(job) for job in jobs]))
