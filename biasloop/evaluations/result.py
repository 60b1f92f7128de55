"""What an evaluation found, as scripts, tables and gates read it, and the same beside that of another file."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biasloop.contract.data import Floats
from biasloop.errors import BiasloopError
from biasloop.metrics.intervals import basic, newcombe, within
from biasloop.metrics.intervals import difference as apart
from biasloop.store.files import write_output

AGREE = "every resample gives the same number"
_UNTOLD = "one of the two numbers has no interval"


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        n: rows.
        metrics: the numbers that gates may name; NaN where there is none.
        details: everything else, as scripts read it.
        rows: the same as a table with a row for each cell, bin, group or value.
        errors: by metric, `(draws,)` resampled minus true values; what differences between files are judged by.
        spans: intervals of metrics that are not resampled, or are shown with another than the basic bootstrap's.
        reason: why a number is missing, by its name.
        notes: what to know before the numbers are believed.
        parts: where groups are of several attributes together, the answer of each attribute by itself.
    """

    n: int
    metrics: Mapping[str, float]
    details: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    errors: Mapping[str, Floats] = field(default_factory=dict)
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reason: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    parts: "Mapping[str, EvaluationResult]" = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What scripts read."""
        document: dict[str, Any] = {"n": self.n, **self.metrics, **self.details}
        if self.parts:
            document["by_attribute"] = {name: part.as_json() for name, part in self.parts.items()}
        if self.reason:
            document["reason"] = dict(self.reason)
        if self.notes:
            document["notes"] = list(self.notes)
        return document

    def number(self, name: str) -> tuple[float, tuple[float, float]]:
        """A number that a gate may name, with its 95 % interval; NaN where there is none.

        Beside metrics: "accuracy" and the like, of all rows or ("tpr.GROUP") of a group's, and "share.VALUE",
        "bias.VALUE".
        """
        if name in self.metrics:
            return self.metrics[name], self._ends(name)
        overall = self.details.get("overall", {}).get(name)
        if overall is not None:
            return _told(overall["value"], overall["interval"])
        kind, dot, of = name.partition(".")
        group = self.details.get("by_group", {}).get(of, {}) if dot else {}
        if isinstance(group.get(kind), Mapping):
            return _told(group[kind]["value"], group[kind]["interval"])
        if kind in group:
            return _told(group[kind], group["intervals"].get(kind))
        row: Mapping[str, Any] = next((row for row in self.details.get("shares", ()) if dot and row["value"] == of), {})
        if kind == "share" and row:
            return _told(row["predicted"], row["interval"])
        if kind == "bias" and row:
            return _told(row.get("bias"), row.get("bias_interval"))
        return _told(None if dot else self.details.get(name), self.spans.get(name))

    def names(self) -> list[str]:
        """Of all that `number` answers, also those whose number is missing."""
        plain = [name for name, value in self.details.items() if isinstance(value, float)]
        groups = self.details.get("by_group", {})
        of_groups = [f"{kind}.{group}" for group, told in groups.items() for kind in told if _is_number(told[kind])]
        shares = self.details.get("shares", ())
        of_values = [f"share.{row['value']}" for row in shares]
        of_values += [f"bias.{row['value']}" for row in shares if "bias" in row]
        return list(dict.fromkeys([*self.metrics, *self.details.get("overall", {}), *plain, *of_groups, *of_values]))

    def _ends(self, name: str) -> tuple[float, float]:
        """The interval of a metric: as told, else that of its resamples."""
        ends = self.spans.get(name, self.details.get("intervals", {}).get(name))
        if ends is not None:
            return float(ends[0]), float(ends[1])
        if name not in self.errors:
            return math.nan, math.nan
        least, most = _LIMITS.get(name, (0.0, 1.0))
        return basic(self.metrics[name], self.errors[name], low=least, high=most)


def _is_number(told: object) -> bool:
    """Whether it is one of a group's numbers, which may be missing."""
    return told is None or isinstance(told, float) or (isinstance(told, Mapping) and "value" in told)


def _told(value: float | None, ends: Sequence[float] | None) -> tuple[float, tuple[float, float]]:
    """A number with its interval, NaN in place of None."""
    low, high = ends if ends is not None else (math.nan, math.nan)
    return math.nan if value is None else float(value), (low, high)


# What the numbers are between; a difference of two lies between the differences of these.
_LIMITS = {"gap": (-1.0, 1.0), "overconfidence": (-1.0, 1.0), "bias_amp": (-1.0, 1.0)}


def beside(answer: EvaluationResult, other: EvaluationResult, notes: Sequence[str] = ()) -> EvaluationResult:
    """An answer with that of another file beside it, and how much larger each metric is than there.

    The files' rows are taken as independent of each other: each is resampled by itself, and a difference's interval
    is the basic bootstrap's of the difference of their errors. What has an interval and is not resampled (rates of
    groups, shares) is put together of both intervals. None reaches beyond what a difference can be.

    Args:
        answer: of the first file.
        other: of the second.
        notes: what to know of both.
    """
    differences = {f"share.{value}": gap for value, gap in _shares(answer, other).items()}
    for name, value in answer.metrics.items():
        difference = value - other.metrics[name]
        least, most = _LIMITS.get(name, (0.0, 1.0))
        ours, theirs = (result.errors.get(name) for result in (answer, other))
        ends = (math.nan, math.nan)
        if ours is not None and theirs is not None:
            ends = basic(difference, ours - theirs, low=least - most, high=most - least)
        elif name in answer.spans and name in other.spans:
            ends = apart(value, answer.spans[name], other.metrics[name], other.spans[name])
            ends = within(difference, ends, least - most, most - least)
        differences[name] = _difference(difference, ends)
    details = {**answer.details, "against": other.as_json(), "difference": differences}
    return replace(answer, details=details, notes=[*answer.notes, *notes])


def _shares(answer: EvaluationResult, other: EvaluationResult) -> dict[str, Any]:
    """Differences of the shares of values, where answers have such."""
    hits = [{row["value"]: round(row["predicted"] * result.n) for row in result.details.get("shares", ())}
            for result in (answer, other)]  # fmt: skip
    differences = {}
    for value in sorted({*hits[0], *hits[1]}):
        first, second = hits[0].get(value, 0), hits[1].get(value, 0)
        ends = newcombe((first, answer.n), (second, other.n))
        differences[value] = _difference(first / answer.n - second / other.n, ends)
    return differences


def _difference(value: float, ends: tuple[float, float]) -> dict[str, Any]:
    """A difference as scripts read it."""
    if math.isnan(value):
        return {"value": None, "interval": None, "reason": "a file has no value"}
    bare = math.isnan(ends[0])
    return {"value": value, "interval": None if bare else list(ends)} | ({"reason": _UNTOLD} if bare else {})


def ends_of(interval: tuple[float, float]) -> list[float] | None:
    """An interval as scripts read it: None where there is none."""
    return None if math.isnan(interval[0]) else list(interval)


def rounded(values: Any) -> Any:
    """Nested lists with None for NaN."""
    if isinstance(values, list):
        return [rounded(value) for value in values]
    return None if isinstance(values, float) and math.isnan(values) else values


def write_csv(answer: EvaluationResult, path: Path) -> None:
    """Write the rows as CSV; what is missing is empty. The file is there whole or not at all.

    Raises:
        BiasloopError: the file cannot be written.
    """
    names = list(dict.fromkeys(name for row in answer.rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in answer.rows)
    content = text.getvalue().encode()
    if not path.exists() or path.is_file():
        write_output(path, content)
        return
    try:
        path.write_bytes(content)  # a pipe or a device: there is nothing that could be replaced
    except OSError as error:
        raise BiasloopError(f"the table cannot be written to {path} ({error.strerror}); choose another place") from None


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
