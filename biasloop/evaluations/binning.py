"""Bins of attributes that are numbers: an age of 20.914875 is no group, [18, 25) is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from biasloop.contract.data import Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.predictions import Counts, Source, counted

_DIGITS = 3  # of an edge, where that is enough to tell edges apart


@dataclass(frozen=True)
class Bins:
    """How values of attributes become bins.

    Attributes:
        edges: by attribute, `(bins + 1,)` ascending; attributes without are left as they are.
    """

    edges: Mapping[str, Floats] = field(default_factory=dict)

    def of(self, attribute: str, values: Sequence[str]) -> list[str]:
        """The name of the bin of each value: "[18, 25)", and "[60, 95]" of the last one, which holds its upper edge."""
        if attribute not in self.edges:
            return list(values)
        edges = self.edges[attribute]
        written = [_written(edge) for edge in edges.tolist()]
        last = len(edges) - 2
        names = [f"[{written[at]}, {written[at + 1]}{']' if at == last else ')'}" for at in range(last + 1)]
        numbers = np.array([float(value) for value in values], np.float64)
        indices = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, last)
        return [names[index] for index in indices.tolist()]

    def binned(self, counts: Counts) -> Counts:
        """The same counts with bins in place of values."""
        columns = {name: self.of(name, values) for name, values in counts.columns.items()}
        return replace(counts, columns=columns)


NO_BINS = Bins()
"""Values as they are."""


def bins_of(sources: Sequence[Source], attributes: Sequence[str], count: int) -> Bins:
    """Bins of every attribute that is a number with more different values than bins.

    Inner edges are quantiles of the first file's rows, with three digits where that tells them apart; so bins have
    about as many rows each, and fewer than `count` are made where one value has many rows. The outer ones are the least
    and the largest value of all files, which therefore have the same bins.

    Args:
        sources: the file, and those that are compared with it or tell what is associated.
        attributes: columns of groups.
        count: of bins, at least 2.

    Raises:
        InvalidInput: if no attribute is a number, or one is a number in some rows only.
    """
    if count < 2:
        raise InvalidInput(f"--bins {count}: expected at least 2")
    first = {name: _numbers(sources[0], name) for name in attributes}
    numeric = {name: numbers for name, numbers in first.items() if numbers is not None}
    if not numeric:
        raise InvalidInput(
            f"{sources[0].path}: {' and '.join(map(repr, attributes))} {'is' if len(attributes) == 1 else 'are'} no "
            "numbers, of which --bins makes groups; leave it out"
        )
    edges = {}
    for name, (values, rows) in numeric.items():
        if len(values) > count:
            others = [numbers[0] for source in sources[1:] if (numbers := _numbers(source, name)) is not None]
            least = min(float(part[0]) for part in (values, *others))
            most = max(float(part[-1]) for part in (values, *others))
            edges[name] = np.array([least, *_inner(values, rows, count), most])
    return Bins(edges)


def _numbers(source: Source, name: str) -> tuple[Floats, Ints] | None:
    """Different values of a column of numbers, ascending, and their rows; None where no value is a number."""
    counts = counted(source, [name])
    numbers = [_number(value) for value in counts.columns[name]]
    bad = [value for value, number in zip(counts.columns[name], numbers, strict=True) if number is None]
    if len(bad) == len(numbers):
        return None
    if bad:
        raise InvalidInput(
            f"{source.path}: {name} is {bad[0]!r} in some row, no number; --bins makes groups of a column of numbers"
        )
    values, indices = np.unique(np.array(numbers, np.float64), return_inverse=True)
    return values, np.bincount(indices, counts.rows, minlength=len(values)).astype(np.int64)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _inner(values: Floats, rows: Ints, count: int) -> list[float]:
    """Edges between the least and the largest value: about as many rows lie between each two."""
    below = np.cumsum(rows) - rows
    wanted = rows.sum() * np.arange(1, count) / count
    exact = np.unique(values[np.minimum(np.searchsorted(below, wanted), len(values) - 1)])
    exact = exact[(exact > values[0]) & (exact <= values[-1])]
    short = np.array([float(f"{edge:.{_DIGITS}g}") for edge in exact.tolist()])
    bounds = np.concatenate([values[:1], short, values[-1:]])
    edges: list[float] = (short if (np.diff(bounds) > 0).all() else exact).tolist()
    return edges


def _written(edge: float) -> str:
    """A number as short as tells it from others; whole ones without a decimal point."""
    return str(int(edge)) if edge.is_integer() and abs(edge) < 1e15 else repr(edge)
