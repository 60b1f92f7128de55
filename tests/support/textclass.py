"""A small table of texts whose class a word tells, with groups and rows without a label."""

import csv
from pathlib import Path

import numpy as np

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop_textclass import TextClassDomain
from biasloop_textclass.config import Config

SMALL = {"data": "file", "test": 20, "holdout": 6, "epochs": 2, "batch_size": 10, "length": 12,
         "small": {"vocabulary": 300, "width": 8, "dropout": 0.2}}  # fmt: skip
_WORDS = (("good", "fine", "great"), ("bad", "poor", "awful"))
_THINGS = ("film", "book", "play", "song")


def rows(count: int = 90, labelled: int = 84) -> list[dict[str, str]]:
    """Texts with a word of their class, two groups of different shares, and no label at the end."""
    rng = np.random.default_rng(0)
    table = []
    for number in range(count):
        label = int(rng.integers(2))
        group = int(rng.random() < 0.3 + 0.4 * label)
        text = f"a {rng.choice(_WORDS[label])} {rng.choice(_THINGS)}, number {number}"
        given = ("pos", "neg")[label] if number < labelled else ""
        table.append({"text": text, "more": f"{rng.choice(_THINGS)} {number % 7}", "label": given,
                      "sex": "fm"[group], "age": ("old", "young")[number % 2]})  # fmt: skip
    return table


def write(path: Path, table: list[dict[str, str]]) -> Path:
    """As CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


def domain(folder: Path, **settings: object) -> TextClassDomain:
    """Of settings, with a data directory."""
    return TextClassDomain(Config.model_validate(settings), Context(folder, Streams((0, "data")), threads=1))
