"""
What numpy says of the tensors of GGUF files in float64, as gguf-py reads them.

usage: _numpy_statistics.py JOBS ANSWERS. A job is the path of a file. An answer has the statistics of its tensors by their
names in the file.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


def statistics(tensor):
    numbers = dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
    return {
        "count": numbers.size,
        "min": numbers.min(),
        "max": numbers.max(),
        "mean": numbers.mean(),
        "std": numbers.std(),
        "l2": np.linalg.norm(numbers),
        "zeros": int((numbers == 0).sum()),
        "zeroRows": int((numbers == 0).all(-1).sum()),
    }


def answer(path):
    return {tensor.name: statistics(tensor) for tensor in GGUFReader(path).tensors}


jobs, answers = sys.argv[1:]
Path(answers).write_text(json.dumps([answer(job) for job in json.loads(Path(jobs).read_text())]))
