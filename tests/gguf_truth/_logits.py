"""
What fairseq2 computed, by the files that its logits were kept in.

usage: _logits.py JOBS ANSWERS. A job is the path of a file. An answer is {"tokens": the ids of a text, "likely": by
position the logarithms of the probabilities of all tokens to follow}.
"""

import json
import sys
from pathlib import Path

import torch


def answer(path):
    kept = torch.load(path, weights_only=True)
    likely = torch.log_softmax(kept["logits"].double(), -1)
    [tokens], [likely] = kept["tokens"].tolist(), likely.tolist()
    return {"tokens": tokens, "likely": likely}


jobs, answers = sys.argv[1:]
Path(answers).write_text(json.dumps([answer(job) for job in json.loads(Path(jobs).read_text())]))
