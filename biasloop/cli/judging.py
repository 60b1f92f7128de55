"""`biasloop evaluate amplification / calibration / fairness`: metrics of anybody's predictions, and gates on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Json
from biasloop.report.output import emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.evaluations import Answer

CROSSED = 4  # exit code
MISSING = "—"
SHOWN = ("accuracy", "selection_rate", "tpr", "fpr")  # tnr and fnr are what these leave to 1

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV or JSONL with a header.")]
Task = Annotated[str, typer.Option("--task", help="Column of true labels.")]
Predicted = Annotated[str, typer.Option("--predicted", help="Column of predictions.")]
Attribute = Annotated[str, typer.Option("--attribute", help="Column of groups.")]
FailAbove = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-above", metavar="METRIC=VALUE", help="Exit with code 4 if the metric is above VALUE (repeatable)."
    ),
]

app = typer.Typer(cls=Group)


@app.command("amplification", cls=Command)
def amplification(
    file: File, task: Task, attribute: Attribute, predicted: Predicted, fail_above: FailAbove = None, json: Json = False
) -> None:
    """Bias amplification: how much more than the truth predictions depend on the attribute; above 0 they exaggerate.

    Example: biasloop evaluate amplification predictions.csv --task y --attribute a --predicted p
    """
    from biasloop import evaluations

    gates = evaluations.gates(fail_above or [], evaluations.AMPLIFICATION)
    answer = evaluations.amplification(file, task=task, attribute=attribute, predicted=predicted)
    if json:
        emit(answer.as_json())
    else:
        _amplification(answer, file, (attribute, task))
    _end(answer, gates)


@app.command("calibration", cls=Command)
def calibration(
    file: File,
    task: Task,
    predicted: Predicted,
    confidence: Annotated[str, typer.Option("--confidence", help="Column of confidences, from 0 to 1.")],
    bins: Annotated[int, typer.Option("--bins", min=1, max=10_000, help="Bins of equal width.")] = 15,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """Whether confidences are right; the gap is accuracy minus confidence, below 0 where a model is overconfident.

    Example: biasloop evaluate calibration predictions.csv --task y --predicted p --confidence c --fail-above ece=0.05
    """
    from biasloop import evaluations

    gates = evaluations.gates(fail_above or [], evaluations.CALIBRATION)
    answer = evaluations.calibration(file, task=task, predicted=predicted, confidence=confidence, bins=bins)
    if json:
        emit(answer.as_json())
    else:
        _calibration(answer, file)
    _end(answer, gates)


@app.command("fairness", cls=Command)
def fairness(
    file: File,
    task: Task,
    predicted: Predicted,
    attribute: Attribute,
    positive: Annotated[
        str | None, typer.Option("--positive", help="The positive value; of two, the later one when sorted.")
    ] = None,
    fail_above: FailAbove = None,
    json: Json = False,
) -> None:
    """Rates by group, and how far groups are apart.

    Example: biasloop evaluate fairness predictions.csv --task y --predicted p --attribute a --positive yes
    """
    from biasloop import evaluations

    gates = evaluations.gates(fail_above or [], evaluations.FAIRNESS)
    answer = evaluations.fairness(file, task=task, predicted=predicted, attribute=attribute, positive=positive)
    if json:
        emit(answer.as_json())
    else:
        _fairness(answer, file, attribute)
    _end(answer, gates)


def _end(answer: "Answer", gates: Mapping[str, float]) -> None:
    """Exit with a code of its own where a gate was crossed."""
    crossed = answer.crossed(gates)
    for text in crossed:
        note(f"biasloop: {text} (--fail-above)")
    if crossed:
        raise typer.Exit(CROSSED)


def _amplification(answer: "Answer", file: Path, names: tuple[str, str]) -> None:
    found = answer.details
    rows = []
    for a, attribute in enumerate(found["attributes"]):
        true, guessed = (found["counts"][kind][a] for kind in ("true", "predicted"))
        for t, task in enumerate(found["tasks"]):
            shares = [_percent(counts[t] / sum(counts)) for counts in (true, guessed)]
            rows.append([attribute, task, str(true[t]), *shares, f"{found['cells'][a][t]:+.4f}"])
    headers = [*names, "n", "true", "predicted", "amplification"]
    show(table(headers, rows, right=range(2, 6), title=_title(answer, file)))
    say(f"bias_amp {answer.metrics['bias_amp']:+.4f}, 95 % interval {_interval(found['interval'])}")
    _remarks(answer)


def _calibration(answer: "Answer", file: Path) -> None:
    rows = [
        [
            f"{one['edges'][0]:.3f} to {one['edges'][1]:.3f}",
            str(one["n"]),
            *(_percent(one[key]) for key in ("confidence", "accuracy")),
            MISSING if one["gap"] is None else f"{one['gap']:+.4f}",
        ]
        for one in answer.details["bins"]
    ]
    headers = ["bin", "n", "confidence", "accuracy", "gap"]
    show(table(headers, rows, right=range(1, 5), title=_title(answer, file)))
    ece, mce, gap = (answer.metrics[name] for name in ("ece", "mce", "gap"))
    say(f"ece {ece:.4f}, mce {mce:.4f}, gap {gap:+.4f} (accuracy {_percent(answer.details['accuracy'])})")
    _remarks(answer)


def _fairness(answer: "Answer", file: Path, attribute: str) -> None:
    rows = [
        [name, str(group["n"]) + (" (!)" if group["n"] == 1 else ""), *(_rate(group[rate]) for rate in SHOWN)]
        for name, group in answer.details["by_group"].items()
    ]
    overall = answer.details["overall"]
    rows.append(["all", str(answer.n), *(_rate(overall[rate]) for rate in SHOWN)])
    headers = [attribute, "n", *(rate.replace("_", " ") for rate in SHOWN)]
    show(table(headers, rows, right=range(1, len(headers)), title=_title(answer, file)))
    say(f"positive: {answer.details['positive']}; in brackets 95 % intervals")
    for name, value in answer.metrics.items():
        say(f"{name.replace('_', ' ')} {MISSING if name in answer.reason else f'{value:.4f}'}")
    _remarks(answer)


def _remarks(answer: "Answer") -> None:
    for name, why in answer.reason.items():
        say(f"{MISSING} no {name.replace('_', ' ')}: {why}")
    for text in answer.notes:
        say(f"note: {text}")


def _title(answer: "Answer", file: Path) -> str:
    from biasloop.report import tables

    return f"{tables.counted(answer.n, 'row')} of {file}"


def _rate(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return MISSING
    low, high = found["interval"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def _interval(ends: Sequence[float] | None) -> str:
    from biasloop.report import tables

    return MISSING if ends is None else tables.interval(ends[0], ends[1])


def _percent(share: float | None) -> str:
    from biasloop.report import tables

    return MISSING if share is None else tables.percent(share)
