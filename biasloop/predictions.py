"""Somebody's predictions: read the columns of a file, and what their values say."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biasloop.data import Array, Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import wilson
from biasloop.metrics.shares import share, share_bias

FORMATS = ".csv, .tsv, .jsonl"


def read_columns(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The named columns of a CSV, TSV or JSONL file, as strings.

    Raises:
        InvalidInput: no such file or column (those found are listed), a row without a value (named), no rows.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl}
    if path.suffix.lower() not in readers:
        raise InvalidInput(f"{path}: expected a file of predictions that ends in one of {FORMATS}")
    columns: dict[str, list[str]] = {name: [] for name in names}
    try:
        for line, row in readers[path.suffix.lower()](path):
            for name, values in columns.items():
                value = row.get(name)
                if value is None or value == "":
                    found = "" if name in row else f" (there are {', '.join(str(key) for key in row)})"
                    raise InvalidInput(f"{path}, line {line}: no value in column {name!r}{found}")
                values.append(str(value))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text: byte {error.start} is invalid") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is not a valid table: {error}") from error
    if not columns[names[0]]:
        raise InvalidInput(f"{path} has no rows")
    return {name: np.array(values) for name, values in columns.items()}


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        for row in reader:
            yield reader.line_num, row


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InvalidInput(f"{path}, line {number}: not valid JSON ({error})") from error
                if not isinstance(row, dict):
                    raise InvalidInput(f"{path}, line {number}: expected a JSON object")
                yield number, row


@dataclass(frozen=True)
class ValueShare:
    """How often one value is predicted; with true labels, also how often it is true.

    Attributes:
        value: the value.
        predicted: share among predictions, with its binomial standard error.
        interval: 95 % Wilson interval of that share.
        true: share among true labels; None without them.
        bias: predicted minus true, with the standard error of paired rows; None without true labels.
    """

    value: str
    predicted: Metric
    interval: tuple[float, float]
    true: Metric | None
    bias: Metric | None

    def as_json(self) -> dict[str, Any]:
        """What scripts read."""
        found: dict[str, Any] = {
            "value": self.value,
            "predicted": self.predicted.value,
            "se": self.predicted.error,
            "interval": list(self.interval),
        }
        if self.true and self.bias:
            found |= {"true": self.true.value, "bias": self.bias.value, "bias_se": self.bias.error}
        return found


def shares(predicted: Array, true: Array | None) -> list[ValueShare]:
    """The share of every value that occurs, sorted by value."""
    values = np.unique(predicted if true is None else np.concatenate([predicted, true]))
    return [_share(predicted, true, value) for value in values]


def _share(predicted: Array, true: Array | None, value: str) -> ValueShare:
    hits = int(np.count_nonzero(predicted == value))
    return ValueShare(
        str(value),
        share(predicted, value),
        wilson(hits, len(predicted)),
        None if true is None else share(true, value),
        None if true is None else share_bias(predicted, true, value),
    )
