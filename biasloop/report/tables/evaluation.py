"""What `biasloop evaluate` found, as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.report.output import say, show, table
from biasloop.report.tables import formatting

if TYPE_CHECKING:
    from biasloop.evaluations import EvaluationResult

MISSING = formatting.MISSING
MOST = 100  # groups or rows of a table that are shown
SHOWN = ("accuracy", "selection_rate", "tpr", "fpr")  # tnr and fnr are what these leave to 1


def show_amplification(answer: EvaluationResult, file: Path, names: tuple[str, str]) -> None:
    """Cells, then the total, of each attribute and of all together; `names` are what attribute and task are called."""
    for name, part in _parts(answer, names[0]):
        _cells(part, file, (name, names[1]))


def _cells(answer: EvaluationResult, file: Path, names: tuple[str, str]) -> None:
    cells = [row for row in answer.rows if row.get("of", names[0]) == names[0]]
    accuracy = any("accuracy" in row for row in cells)
    rows = [
        [
            row["attribute"],
            row["task"],
            str(row["n"]),
            _percent(row["true"]),
            _percent(row["predicted"]),
            _signed(row["amplification"]),
            *([_percent(row["accuracy"])] if accuracy else []),
        ]
        for row in cells[:MOST]
    ]
    headers = [*names, "n", "true", "predicted", "amplification", *(["accuracy"] if accuracy else [])]
    show(table(headers, rows, right=range(2, 7), title=_title(answer, file)))
    _say_more(len(cells), "row")
    say(f"bias_amp {_signed(answer.metrics['bias_amp'])}, 95 % interval {_interval(answer.details['interval'])}")


def show_calibration(answer: EvaluationResult, file: Path, attributes: Sequence[str]) -> None:
    """Bins of all rows, a line for each group, then the errors."""
    rows = [
        [
            f"{entry['edges'][0]:.3f} to {entry['edges'][1]:.3f}",
            str(entry["n"]),
            *(_percent(entry[key]) for key in ("confidence", "accuracy")),
            _signed(entry["gap"]),
        ]
        for entry in answer.details["bins"]
    ]
    headers = ["bin", "n", "confidence", "accuracy", "gap"]
    show(table(headers, rows, right=range(1, 5), title=_title(answer, file)))
    if attributes:
        for name, part in _parts(answer, "+".join(attributes)):
            _calibrated(part, name)
    ece, mce, gap = (answer.metrics[name] for name in ("ece", "mce", "gap"))
    say(f"ece {ece:.4f}, mce {mce:.4f}, gap {gap:+.4f} (accuracy {_percent(answer.details['accuracy'])})")
    intervals = answer.details["intervals"]
    say(f"95 % intervals: ece {_interval(intervals['ece'])}, gap {_interval(intervals['gap'])}")
    say(f"if all confidences were right, {answer.details['ece_if_calibrated']:.4f} is the ece to expect")


def _calibrated(answer: EvaluationResult, attribute: str) -> None:
    by_group = answer.details["by_group"]
    rows = [
        [
            name,
            _size(group),
            _percent(group["accuracy"]),
            f"{group['ece']:.4f} {_interval(group['intervals']['ece'])}",
            f"{_signed(group['gap'])} {_interval(group['intervals']['gap'])}",
        ]
        for name, group in list(by_group.items())[:MOST]
    ]
    show(table([attribute, "n", "accuracy", "ece", "gap"], rows, right=range(1, 5)))
    _say_more(len(by_group), "group")


def show_fairness(answer: EvaluationResult, file: Path, attributes: Sequence[str]) -> None:
    """Rates by group, then how far groups are apart, of each attribute and of all together."""
    for name, part in _parts(answer, "+".join(attributes)):
        _apart_by(part, file, name)


def _apart_by(answer: EvaluationResult, file: Path, attribute: str) -> None:
    by_group = answer.details["by_group"]
    rows = [[name, _size(group), *(_rate(group[rate]) for rate in SHOWN)] for name, group in by_group.items()][:MOST]
    overall = answer.details["overall"]
    rows.append(["all", str(answer.n), *(_rate(overall[rate]) for rate in SHOWN)])
    headers = [attribute, "n", *(rate.replace("_", " ") for rate in SHOWN)]
    show(table(headers, rows, right=range(1, len(headers)), title=_title(answer, file)))
    _say_more(len(by_group), "group")
    few = "; (!) few rows" if any("flag" in group for group in by_group.values()) else ""
    say(f"positive: {answer.details['positive']}; in brackets 95 % intervals{few}")
    for name, value in answer.metrics.items():
        ends = _interval(answer.details["intervals"][name])
        say(f"{name.replace('_', ' ')} {MISSING if name in answer.reason else f'{value:.4f} {ends}'}")


def _parts(answer: EvaluationResult, name: str) -> list[tuple[str, EvaluationResult]]:
    """The answers of attributes by themselves, then that of all together."""
    return [*answer.parts.items(), (name, answer)]


def _size(group: Mapping[str, Any]) -> str:
    return str(group["n"]) + (" (!)" if "flag" in group else "")


def _say_more(count: int, noun: str) -> None:
    if count > MOST:
        say(f"and {formatting.counted(count - MOST, 'more ' + noun)}; --csv FILE and --json have all")


def show_shares(answer: EvaluationResult, file: Path) -> None:
    """A line for each value."""
    rows, both = [], False
    for row in answer.details["shares"]:
        cells = [row["value"], _percent(row["predicted"]), _interval(row["interval"])]
        if "bias" in row:
            both = True
            cells += [_percent(row["true"]), _signed(row["bias"]), _interval(row["bias_interval"])]
        rows.append(cells)
    headers = ["value", "predicted", "95 % interval"] + (["true", "bias", "95 % interval"] if both else [])
    show(table(headers, rows, right=range(1, 6), title=_title(answer, file)))
    if both:
        say(", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in answer.metrics.items()))


def show_memorization(answer: EvaluationResult, file: Path, train: Path) -> None:
    """A line for each length."""
    rows = [
        [
            str(row["ngram"]),
            formatting.count(row["n"]),
            _percent(row["share"]),
            _interval(None if row["low"] is None else [row["low"], row["high"]]),
            formatting.count(row["texts"]),
        ]
        for row in answer.rows
    ]
    known = formatting.counted(answer.details["train"]["n"], "text")
    title = f"{formatting.counted(answer.n, 'text')} of {file}, against {known} of {train}"
    headers = ["words", "n-grams", "in training texts", "95 % interval", "texts with any"]
    show(table(headers, rows, right=range(5), title=title))


def show_differences(answer: EvaluationResult, file: Path, against: Path) -> None:
    """How far the numbers are from those of another file."""
    other = answer.details.get("against")
    if other is None:
        return
    rows = []
    for name, difference in answer.details["difference"].items():
        pair = [_value(answer.as_json(), name), _value(other, name)]
        rows.append([name.replace("_", " "), *pair, _signed(difference["value"]), _interval(difference["interval"])])
    headers = ["", *_apart(file, against), "difference", "95 % interval"]
    show(table(headers, rows, right=range(1, 5)))


def _apart(first: Path, second: Path) -> tuple[str, str]:
    """The ends of two paths, as short as tells them apart."""
    for count in range(1, max(len(first.parts), len(second.parts)) + 1):
        ends = "/".join(first.parts[-count:]), "/".join(second.parts[-count:])
        if ends[0] != ends[1]:
            return ends
    return str(first), str(second)


def show_remarks(answer: EvaluationResult) -> None:
    """Why numbers are missing, and what to know."""
    for attribute, part in answer.parts.items():
        for name, why in part.reason.items():
            if why != answer.reason.get(name):
                say(f"{MISSING} {attribute}: no {_spoken(name)}: {why}")
    for name, why in answer.reason.items():
        say(f"{MISSING} no {_spoken(name)}: {why}")
    for text in answer.notes:
        say(f"note: {text}")


def _spoken(name: str) -> str:
    return name.replace("intervals.", "interval of ").replace("_", " ")


def _value(values: Mapping[str, Any], name: str) -> str:
    """A metric, or the share of a value."""
    value = values.get(name)
    if name.startswith("share."):
        wanted = name.removeprefix("share.")
        value = next((row["predicted"] for row in values["shares"] if row["value"] == wanted), 0.0)
    return MISSING if value is None or math.isnan(value) else f"{value:.4f}"


def _title(answer: EvaluationResult, file: Path) -> str:
    return f"{formatting.counted(answer.n, 'row')} of {file}"


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return MISSING
    low, high = rate["interval"]
    return f"{rate['value']:.3f} [{low:.3f}, {high:.3f}]"


def _signed(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{value:+.4f}"


def _interval(ends: Sequence[float] | None) -> str:
    return MISSING if ends is None else formatting.interval(ends[0], ends[1])


def _percent(share: float | None) -> str:
    return MISSING if share is None or math.isnan(share) else formatting.percent(share)
