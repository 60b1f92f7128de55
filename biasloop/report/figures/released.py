"""Results that others have released: published curves (JSON), directories of CSV files (Wyllie et al. 2024)."""

import csv
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.system.regular import require_regular

FIELDS = ("acc", "sel", "acc_diff", "dp", "eodds", "label_bal", "color_bal")
_EXPECTED = 'expected {"DATA|EXPERIMENT|SPLIT": {"n_seeds": [...], "acc_mean": [...], "acc_std": [...], ...}, ...}'
_PATTERN = "cla_*_overall.csv"


@dataclass(frozen=True)
class Curve:
    """A number by generation, over seeds.

    Attributes:
        mean, std: `(generations,)`, the standard deviation that of the population; NaN where nothing was released.
        seeds: `(generations,)` how many.
    """

    mean: Floats
    std: Floats
    seeds: Floats


@dataclass(frozen=True)
class Curves:
    """A file of published curves.

    Attributes:
        path: where it lies.
        values: by "DATA|EXPERIMENT|SPLIT", fields as they stand in the file.
        notes: what is to be known of an experiment, by "DATA|EXPERIMENT".
    """

    path: Path
    values: Mapping[str, Mapping[str, Any]]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def experiments(self) -> list[str]:
        """Each "DATA|EXPERIMENT"."""
        return list(dict.fromkeys(key.rpartition("|")[0] for key in self.values))

    def curve(self, experiment: str, split: str, name: str) -> Curve:
        """One of `FIELDS` of an experiment.

        Raises:
            InvalidInput: the file has no such experiment or split, or its numbers are no such lists.
        """
        key = f"{experiment}|{split}"
        if key not in self.values:
            known = ", ".join(self.experiments)
            raise InvalidInput(f"{self.path} has no curves of {experiment!r} on the {split} split; it has {known}")
        found = self.values[key]
        try:
            columns = [np.array(found[part], np.float64) for part in (f"{name}_mean", f"{name}_std", "n_seeds")]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"{self.path}: {key}: {error!r}; {_EXPECTED}") from error
        if {column.shape for column in columns} != {columns[0].shape} or columns[0].ndim != 1:
            raise InvalidInput(f"{self.path}: {key}: lists of different lengths; {_EXPECTED}")
        return Curve(*columns)


def read_curves(path: Path) -> Curves:
    """A file of published curves, with or without a head of source and notes.

    Raises:
        InvalidInput: it cannot be read or is no such file.
    """
    require_regular(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON ({error}); {_EXPECTED}") from error
    values = content.get("curves", content) if isinstance(content, dict) else None
    whole = isinstance(values, dict) and all(
        key.count("|") == 2 and isinstance(inner, dict) for key, inner in values.items()
    )
    if not values or not whole:
        raise InvalidInput(f"{path} holds no published curves; {_EXPECTED}")
    return Curves(path, values, content.get("notes", {}) if "curves" in content else {})


def read_directory(path: Path) -> dict[str, list[Path]]:
    """Experiments at or below a directory of results, each with the directories of its seeds, NAME_SEED.

    Raises:
        InvalidInput: there is none.
    """
    found: dict[str, list[Path]] = {}
    for place in sorted({file.parent for file in path.rglob(_PATTERN)}):
        name = re.sub(r"_\d+$", "", place.resolve().name)
        found.setdefault(name, []).append(place)
    if not found:
        raise InvalidInput(
            f"{path} holds no released results; expected files such as cla_test_overall.csv, in it or in a directory "
            "NAME_SEED for each seed"
        )
    return found


def over_seeds(places: Sequence[Path], split: str, name: str) -> Curve:
    """One of `FIELDS` over the seeds of an experiment; the last row of each generation counts.

    Raises:
        InvalidInput: a file is missing or is not as released.
    """
    rows = [_by_generation(place, split, name) for place in places]
    length = 1 + max((max(row) for row in rows if row), default=-1)
    table = np.full((len(rows), length), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[list(row)] = list(row.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a generation that no seed has is NaN
        mean, std = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    return Curve(mean, std, np.isfinite(table).sum(axis=0).astype(np.float64))


Reading = Callable[[Mapping[str, float]], float]


def _column(name: str) -> Reading:
    return lambda row: row[name]


# The file of each field, and its value from a row of it.
_READINGS: dict[str, tuple[str, Reading]] = {
    "acc": ("cla_{split}_overall.csv", _column("Accuracy")),
    "sel": ("cla_{split}_overall.csv", _column("Selection rate")),
    "acc_diff": ("cla_{split}_aggregated.csv", _column("difference_Accuracy")),
    "dp": ("cla_{split}_aggregated.csv", _column("difference_Selection rate")),
    "eodds": ("cla_{split}_aggregated.csv", lambda row: max(row["difference_tpr"], row["difference_fpr"])),
    "label_bal": ("gen_pop_stats.csv", _column("label_bal")),
    "color_bal": ("gen_pop_stats.csv", _column("color_bal")),
}


def _by_generation(place: Path, split: str, name: str) -> dict[int, float]:
    file, reading = _READINGS[name]
    path = place / file.format(split=split)
    found = {}
    for line, row in _rows(path):
        try:
            generation = int(row["generation"])
            found[generation] = reading(row)
        except (KeyError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{path}, line {line}: {error!r}; expected a row as released") from error
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Rows of numbers with their lines; what is no number is NaN."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {key: _number(value) for key, value in row.items() if key is not None}
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); it is among the released files") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} is not a table ({error})") from error


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
