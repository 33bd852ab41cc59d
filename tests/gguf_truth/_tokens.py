"""
The token ids that Hugging Face's tokenizers give, or SentencePiece itself. A job is {"from": a directory, or a
tokenizer.model of SentencePiece's, "texts": texts}, and the answer the ids of each text, without those that are put
around it.
"""

import json
import sys
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer
from transformers.utils import logging


def answer(job):
    if Path(job["from"]).is_file():
        return SentencePieceProcessor(job["from"]).encode(job["texts"])
    tokenizer = AutoTokenizer.from_pretrained(job["from"])
    return tokenizer(job["texts"], add_special_tokens=False)["input_ids"]


logging.set_verbosity_error()
jobs, answers = sys.argv[1:]
Path(answers).write_text(json.dumps([answer(job) for job in json.loads(Path(jobs).read_text())]))
