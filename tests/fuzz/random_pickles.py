"""Pickles random plain data at every protocol, by both of CPython's picklers, for tests/fuzz/random_pickles_test.ts.

    python3.11 random_pickles.py COUNT SEED

Prints a line of JSON for each value: [[description, [pickle as hex, ...]], ...], where pickles of one description are of
protocols that have the same forms. fixtures/pickle/described.py says what descriptions are.
"""

import io
import json
import pathlib
import pickle
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "fixtures" / "pickle"))
from described import Describer  # noqa: E402

INTS = [0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53 - 1, 2**53, 2**63, -(2**63), 2**64]
FLOATS = [0.0, -0.0, 1.0, -1.5, 1e308, 5e-324, 0.1, float("inf"), float("-inf"), float("nan"), 2.0**53, 1e16]
CHARACTERS = "az09 _.\n\t\\'\"\0\x7f\x80\xff\u0100\u20ac\ud800\udfff\U0001f600\u2028"


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.made = []  # what can be met again

    def integer(self):
        kind = self.rng.randrange(4)
        if kind == 0:
            return self.rng.choice(INTS)
        return self.rng.randrange(-(2 ** self.rng.choice([4, 8, 16, 32])), 2 ** self.rng.choice([4, 8, 16, 32, 70, 2100]))

    def text(self):
        return "".join(self.rng.choice(CHARACTERS) for _ in range(self.rng.choice([0, 1, 2, 5, 20, 300])))

    def atom(self):
        make = self.rng.choice([
            lambda: None,
            lambda: self.rng.random() < 0.5,
            self.integer,
            self.integer,
            self.text,
            self.text,
            lambda: self.rng.choice(FLOATS),
            lambda: self.rng.uniform(-1e6, 1e6),
            lambda: self.rng.randbytes(self.rng.choice([0, 1, 4, 255, 256, 400])),
        ])
        return make()

    def key(self, depth):
        if depth > 0 and self.rng.random() < 0.2:
            items = [self.key(depth - 1) for _ in range(self.rng.randrange(4))]
            return tuple(items) if self.rng.random() < 0.6 else frozenset(items)
        return self.atom()

    def value(self, depth):
        if self.made and self.rng.random() < 0.1:
            return self.rng.choice(self.made)
        if depth == 0 or self.rng.random() < 0.3:
            return self.atom()
        size = self.rng.choice([0, 1, 2, 3, 5, 8]) if self.rng.random() < 0.97 else self.rng.randrange(900, 2100)
        deeper = depth - 1 if size < 100 else 0
        kind = self.rng.choice(["list", "list", "dict", "dict", "dict", "tuple", "set", "frozenset", "bytearray"])
        if kind == "list":
            made = []
            self.made.append(made)  # before it is filled, so that it may hold itself
            made.extend(self.value(deeper) for _ in range(size))
            return made
        if kind == "dict":
            made = {}
            self.made.append(made)
            for _ in range(size):
                made[self.key(min(deeper, 2))] = self.value(deeper)
            return made
        if kind == "tuple":
            made = tuple(self.value(deeper) for _ in range(size))
        elif kind == "bytearray":
            made = bytearray(self.rng.randbytes(size))
        else:
            made = (set if kind == "set" else frozenset)(self.key(min(deeper, 2)) for _ in range(size))
        self.made.append(made)
        return made


def dump(pickler, value, protocol):
    file = io.BytesIO()
    pickler(file, protocol).dump(value)
    return file.getvalue().hex()


def main(count, seed):
    sys.setrecursionlimit(100_000)
    rng = random.Random(seed)
    while count > 0:
        value = Maker(rng).value(rng.randrange(1, 6))
        try:
            groups = []
            for protocol in range(6):
                pickles = [dump(pickler, value, protocol) for pickler in (pickle.Pickler, pickle._Pickler)]
                groups.append([Describer(protocol).describe(value), pickles])
        except (RecursionError, ValueError, UnicodeEncodeError):
            continue  # a tuple that holds itself, and what protocol 0 can't write
        print(json.dumps(groups))
        count -= 1


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
