"""Tables of predictions to evaluate, without the program."""

import csv
from collections.abc import Sequence
from pathlib import Path

from biasloop.predictions import Source, open_source
from biasloop.predictions.source import Reading


def source(directory: Path, name: str = "p.csv", reading: Reading | None = None, **columns: Sequence[object]) -> Source:
    """A CSV file with these columns in a directory; a string has a value in each character."""
    with (directory / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return open_source(directory / name, reading=reading)
