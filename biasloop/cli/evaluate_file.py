"""`biasloop evaluate METRIC FILE`: metrics of anybody's predictions, beside another file's, and gates on them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli.evaluate_options import Figures, Outcome, Rows
from biasloop.cli.examples import Command, Group
from biasloop.cli.grouped import grouped
from biasloop.cli.reading import InFormat, MissingRows, reading_of
from biasloop.errors import InvalidInput
from biasloop.report.tables import evaluation

if TYPE_CHECKING:
    from biasloop import evaluations
    from biasloop.evaluations import EvaluationResult as Result
    from biasloop.predictions import Source

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL or Parquet with named columns, or a stored run.")
]
Task = Annotated[str, typer.Option("--task", help="Column of true labels.")]
Predicted = Annotated[str, typer.Option("--predicted", help="Column of predictions.")]
Attribute = Annotated[
    list[str], typer.Option("--attribute", help="Column of groups; of several also the combinations (repeatable).")
]
Bins = Annotated[
    int | None,
    typer.Option("--bins", "--attribute-bins", min=2, max=1000, help="Bins of an attribute that is a number."),
]
app = typer.Typer(cls=Group)


@app.command("amplification", cls=Command)
@grouped
def amplification(
    file: File,
    task: Annotated[list[str], typer.Option("--task", help="Column of true labels; several: labels of 0 and 1.")],
    attribute: Attribute,
    predicted: Annotated[list[str], typer.Option("--predicted", help="Column of predictions; as many as --task.")],
    train: Annotated[
        Path | None,
        typer.Option("--train", metavar="FILE2", help="Training rows, which decide what is associated with what."),
    ] = None,
    tie: Annotated[str, typer.Option("--tie", help='What an exactly independent cell counts: "minus", "zero".')] = (
        "minus"
    ),
    empty: Annotated[
        str, typer.Option("--empty", help='An attribute value without rows: "skip" it, or no number at all ("nan").')
    ] = "skip",
    bins: Bins = None,
    draws: Annotated[int, typer.Option("--draws", min=100, max=100_000, help="Resamples of the interval.")] = 1000,
    *,
    rows: Rows,
    written: Figures,
    outcome: Outcome,
) -> None:
    """Bias amplification: how much more than the truth predictions depend on the attribute; above 0 they exaggerate.

    Example: biasloop evaluate amplification predictions.csv --task y --attribute a --predicted p

    Example: biasloop evaluate amplification p.csv --task cook,drive --predicted cook_p,drive_p --attribute a
    """
    from biasloop import evaluations
    from biasloop.predictions import open_source

    written.check()
    reading = rows.reading(file, train)
    gates = outcome.gates(evaluations.AMPLIFICATION)
    given = evaluations.Options(tie, empty, draws)  # type: ignore[arg-type] # it checks them

    learned = open_source(train, reading=reading) if train else None
    sources = rows.sources(file, reading)
    edges = _bins([*sources, *([learned] if learned else [])], attribute, bins)

    def measured(source: "Source", first: "Result | None") -> "Result":
        return evaluations.amplification(
            source, task=task, attribute=attribute, predicted=predicted, train=learned, options=given, bins=edges,
            seed=0 if first is None else 1,
        )  # fmt: skip

    names = ("+".join(attribute), task[0] if len(task) == 1 and "," not in task[0] else "task")
    answer = _answer(sources, measured)
    _finish(
        "amplification", answer, file, lambda: evaluation.show_amplification(answer, file, names), names,
        written, outcome, against=rows.against,
    )  # fmt: skip
    outcome.end(answer, gates)


@app.command("calibration", cls=Command)
@grouped
def calibration(
    file: File,
    task: Task,
    predicted: Predicted,
    confidence: Annotated[
        str | None, typer.Option("--confidence", help="Column of how sure each prediction is, from 0 to 1.")
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option("--probability", help="Instead, of two classes: column of the probability of --positive."),
    ] = None,
    positive: Annotated[str | None, typer.Option("--positive", help="The class that --probability is of.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", help="Column of groups: of each by itself; of several also the combinations."),
    ] = None,
    groups: Annotated[
        int | None,
        typer.Option("--attribute-bins", min=2, max=1000, help="Bins of an attribute that is a number."),
    ] = None,
    bins: Annotated[int, typer.Option("--bins", min=1, max=10_000, help="Bins of confidence, of equal width.")] = 15,
    *,
    rows: Rows,
    written: Figures,
    outcome: Outcome,
) -> None:
    """Whether confidences are right; the gap is accuracy minus confidence, below 0 where a model is overconfident.

    Example: biasloop evaluate calibration predictions.csv --task y --predicted p --confidence c --fail-above ece=0.05

    Example: biasloop evaluate calibration predictions.csv --task y --predicted p --probability p1 --positive 1
    """
    from biasloop import evaluations

    written.check()
    reading = rows.reading(file)
    gates = outcome.gates(evaluations.CALIBRATION)

    sources = rows.sources(file, reading)
    edges = _bins(sources, attribute or [], groups)

    def measured(source: "Source", first: "Result | None") -> "Result":
        return evaluations.calibration(
            source, task=task, predicted=predicted, confidence=confidence, probability=probability, positive=positive,
            attribute=attribute or (), groups=edges, bins=bins, seed=0 if first is None else 1,
        )  # fmt: skip

    answer = _answer(sources, measured)
    _finish(
        "calibration", answer, file, lambda: evaluation.show_calibration(answer, file, attribute or []), (),
        written, outcome, against=rows.against,
    )  # fmt: skip
    outcome.end(answer, gates)


@app.command("fairness", cls=Command)
@grouped
def fairness(
    file: File,
    task: Task,
    predicted: Predicted,
    attribute: Attribute,
    positive: Annotated[
        str | None, typer.Option("--positive", help="The positive value; of two, the later one when sorted.")
    ] = None,
    bins: Bins = None,
    smallest: Annotated[
        int, typer.Option("--min-group", min=1, help="Leave groups of fewer rows out of differences.")
    ] = 1,
    *,
    rows: Rows,
    written: Figures,
    outcome: Outcome,
) -> None:
    """Rates by group, and how far groups are apart.

    Example: biasloop evaluate fairness predictions.csv --task y --predicted p --attribute a --positive yes

    Example: biasloop evaluate fairness predictions.csv --task y --predicted p --attribute sex --attribute age --bins 5
    """
    from biasloop import evaluations

    written.check()
    reading = rows.reading(file)
    gates = outcome.gates(evaluations.FAIRNESS)

    sources = rows.sources(file, reading)
    edges = _bins(sources, attribute, bins)

    def measured(source: "Source", first: "Result | None") -> "Result":
        return evaluations.fairness(
            source, task=task, predicted=predicted, attribute=attribute, positive=positive, bins=edges,
            smallest=smallest, like=first,
        )  # fmt: skip

    answer = _answer(sources, measured)
    _finish(
        "fairness", answer, file, lambda: evaluation.show_fairness(answer, file, attribute), ("+".join(attribute),),
        written, outcome, against=rows.against,
    )  # fmt: skip
    outcome.end(answer, gates)


@app.command("shares", cls=Command)
@grouped
def shares(
    file: File,
    predicted: Predicted,
    task: Annotated[str | None, typer.Option("--task", help="Column of true labels.")] = None,
    *,
    rows: Rows,
    written: Figures,
    outcome: Outcome,
) -> None:
    """How often each value is predicted, and by how much that differs from the truth.

    Example: biasloop evaluate shares predictions.csv --predicted label --task truth
    """
    from biasloop import evaluations

    written.check()
    reading = rows.reading(file)
    gates = outcome.gates(evaluations.SHARES_OF_TRUTH if task else evaluations.SHARES)

    def measured(source: "Source", first: "Result | None") -> "Result":
        return evaluations.shares(source, predicted=predicted, task=task, seed=0 if first is None else 1)

    answer = _answer(rows.sources(file, reading), measured)
    _finish(
        "shares", answer, file, lambda: evaluation.show_shares(answer, file), (),
        written, outcome, against=rows.against,
    )  # fmt: skip
    outcome.end(answer, gates)


@app.command("memorization", cls=Command)
@grouped
def memorization(
    file: File,
    train: Annotated[Path, typer.Option("--train", metavar="FILE2", help="The training texts, in a column so called.")],
    text: Annotated[str, typer.Option("--text", help="Column of texts.")],
    ngrams: Annotated[str, typer.Option("--ngrams", help="Lengths in words.")] = "5,10",
    missing: MissingRows = "refuse",
    form: InFormat = "",
    *,
    written: Figures,
    outcome: Outcome,
) -> None:
    """How many runs of words of some texts stand in the training texts, word for word.

    Words are what stands between white space, compared as written. A gate's metric is memorization.5, for example.

    Example: biasloop evaluate memorization generated.jsonl --train corpus.jsonl --text text --ngrams 5,10
    """
    from biasloop import evaluations
    from biasloop.predictions import open_source

    reading = reading_of(None, missing, form, [file, train])
    sizes = evaluations.parse_sizes(ngrams)
    gates = outcome.gates([f"memorization.{n}" for n in sizes])
    written.check()
    sources = open_source(file, reading=reading), open_source(train, reading=reading)
    answer = _with_skipped(evaluations.memorization(*sources, text=text, sizes=sizes), sources[0])
    _finish(
        "memorization", answer, file, lambda: evaluation.show_memorization(answer, file, train), (), written, outcome
    )
    outcome.end(answer, gates)


def _bins(sources: "Sequence[Source]", attributes: Sequence[str], count: int | None) -> "evaluations.Bins":
    """Bins of attributes, the same for all files."""
    from biasloop import evaluations

    if count is not None and not attributes:
        raise InvalidInput("--attribute-bins makes bins of an --attribute; give one, or leave it out")
    return evaluations.Bins() if count is None else evaluations.bins_of(sources, attributes, count)


def _answer(sources: "Sequence[Source]", measured: "Callable[[Source, Result | None], Result]") -> "Result":
    """What there is to say of a file, with another beside it if there is one."""
    from biasloop import evaluations

    answer = _with_skipped(measured(sources[0], None), sources[0])
    if len(sources) == 1:
        return answer
    other = _with_skipped(measured(sources[1], answer), sources[1])
    notes = evaluations.comparable(answer, other, (sources[0].path, sources[1].path))
    return evaluations.beside(answer, other, notes)


def _with_skipped(answer: "Result", source: "Source") -> "Result":
    """An answer that says how many rows without a value were left out, where that was asked for."""
    if source.reading.missing != "skip":
        return answer
    n = source.skipped
    notes = [*answer.notes, f"{n:,} row{'s' * (n != 1)} without a value left out"] if n else answer.notes
    return replace(answer, details={**answer.details, "skipped": n}, notes=notes)


def _finish(
    kind: str, answer: "Result", file: Path, shown: Callable[[], None], names: tuple[str, ...], written: Figures,
    outcome: Outcome, *, against: Path | None = None,
) -> None:  # fmt: skip
    """Print what was measured, and write the table and the figure asked for."""

    def tables() -> None:
        shown()
        if against is not None:
            evaluation.show_differences(answer, file, against)

    outcome.show(answer, tables)
    written.write(answer, outcome.tell)
    written.draw(kind, answer, file.name, names, outcome.tell)
