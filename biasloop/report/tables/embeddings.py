"""What `biasloop evaluate` says of embeddings, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.report.output import say, show, table
from biasloop.report.tables import formatting

if TYPE_CHECKING:
    from biasloop.evaluations import EvaluationResult

MISSING = formatting.MISSING
Number = Mapping[str, Any]
_EXTREMES = 20  # of combinations of three attributes, as published


def show_retrieval(answer: EvaluationResult, file: Path, against: Path | None) -> None:
    """R@k by group, gaps by attribute, and differences from another model."""
    details = answer.details
    recalls = list(details["groups"][""]["all"])
    title = (
        f"{formatting.counted(answer.n, 'caption')} of {file} ask for {formatting.counted(details['images'], 'image')}"
    )
    rows = [
        [attribute, name, formatting.count(numbers[recalls[0]]["n"]), *(_percent(numbers[of]) for of in recalls)]
        for attribute, groups in details["groups"].items()
        for name, numbers in groups.items()
    ]
    show(table(["attribute", "group", "n", *recalls], rows, right=range(2, 6), title=title))
    parts = details["gaps_by_caption"]
    rows = [
        [
            attribute, name, f"{number['largest']} - {number['smallest']}", _points(number), _ends(number),
            *(_points(parts[part][attribute][name]) for part in parts),
        ]
        for attribute, numbers in details["gaps"].items()
        for name, number in numbers.items()
        if number["value"] is not None
    ]  # fmt: skip
    if rows:
        headers = ["attribute", "gap", "between", "points", "95 % interval", *(f"captions: {part}" for part in parts)]
        show(table(headers, rows, right=range(3, 7)))
    if against is not None:
        rows = [
            [name, formatting.count(number["n"]), _points(number), _ends(number)]
            for name, number in details["difference"].items()
            if number["value"] is not None and name.count(".") < 2
        ]
        title = f"more than with {against}, paired by caption (groups: --json)"
        show(table(["", "n", "points", "95 % interval"], rows, right=range(1, 4), title=title))
    say("values ± standard errors, in percent")


def show_self_similarity(answer: EvaluationResult, file: Path) -> None:
    """Each group; of combinations of three attributes the most and the least similar ones."""
    for grouping, groups in answer.details["groups"].items():
        names = [name for name, numbers in groups.items() if numbers["self_similarity"]["value"] is not None]
        many = len(names) > 2 * _EXTREMES and grouping.count(" x ") > 1
        if many:
            names.sort(key=lambda name: -groups[name]["self_similarity"]["value"])
            names = [*names[:_EXTREMES], *names[-_EXTREMES:]]
        kinds = list(groups[names[0]]) if names else []
        rows = [
            [name, formatting.count(groups[name][kinds[0]]["n"]), *(_value(groups[name][kind]) for kind in kinds)]
            for name in names
        ]
        headers = [grouping, "n", *(kind.replace("_", " ") for kind in kinds)]
        show(table(headers, rows, right=range(1, len(headers)), title=f"{answer.n:,} images of {file}"))
        if many:
            say(f"the {_EXTREMES} most and the {_EXTREMES} least similar; --csv FILE and --json have all")
    say("values ± standard errors over the sampling of images")


def show_person_preference(answer: EvaluationResult, file: Path) -> None:
    """By attribute, in cells of gender and age, and White Male against Black Female by age."""
    for attribute, groups in answer.details["groups"].items():
        rows = [
            [
                name, formatting.count(number["n"]), _percent(number), _ends(number, 100),
                *([_percent(number["resampled"])] if "resampled" in number else []),
            ]
            for name, number in groups.items()
        ]  # fmt: skip
        headers = [attribute, "n", "prefer the person", "95 % interval"]
        headers += ["resampled"] if rows and len(rows[0]) > len(headers) else []
        show(table(headers, rows, right=range(1, 5), title=f"{answer.n:,} images of {file}"))
    for title, part in (("gender and age", "gender x age"), ("age", "pair")):
        cells = answer.details[part]
        if part == "pair":
            cells = {
                f"{age} {kind}": {attribute: numbers[attribute][kind] for attribute in numbers}
                for age, numbers in cells.items()
                for kind in next(iter(numbers.values()))
            }
        attributes = list(next(iter(cells.values())))
        rows = [
            [name, formatting.count(next(iter(numbers.values()))["n"]), *(_percent(numbers[a]) for a in attributes)]
            for name, numbers in cells.items()
        ]
        show(table([title, "n", *attributes], rows, right=range(1, 5)))
    say("percent ± standard errors")


def show_geode(answer: EvaluationResult, file: Path) -> None:
    """Accuracy by region, the gap, and the objects that are known worst."""
    details = answer.details
    for attribute, groups in details["groups"].items():
        shown = sorted(groups.items(), key=lambda item: item[1]["accuracy"]["value"])[:_EXTREMES]
        rows = [
            [name, formatting.count(of["accuracy"]["n"]), _percent(of["accuracy"]), _ends(of["accuracy"], 100)]
            for name, of in shown
        ]
        headers = [attribute, "n", "accuracy", "95 % interval"]
        show(table(headers, rows, right=range(1, 4), title="" if attribute else f"{answer.n:,} images of {file}"))
    if "gap" in details:
        gap = details["gap"]
        say(f"{gap['largest']} - {gap['smallest']}: {_points(gap)} points, 95 % interval {_ends(gap, 100)}")


def _percent(number: Number) -> str:
    if number["value"] is None:
        return MISSING
    return formatting.measured(100 * number["value"], 100 * (number["se"] or 0.0))


def _points(number: Number) -> str:
    text = _percent(number)
    return text if text.startswith(("-", MISSING)) else f"+{text}"


def _value(number: Number) -> str:
    return MISSING if number["value"] is None else formatting.measured(number["value"], number["se"] or 0.0)


def _ends(number: Number, factor: float = 100) -> str:
    ends = number["interval"]
    return MISSING if ends is None else formatting.interval(factor * ends[0], factor * ends[1])
