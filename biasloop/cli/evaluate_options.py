"""Options that the commands of `biasloop evaluate` share: what is read, what is written, and gates on the result."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli.options import Json
from biasloop.cli.outputs import Force, check_figure, check_file
from biasloop.cli.reading import InFormat, MissingRows, Same
from biasloop.report.output import emit, note, say

if TYPE_CHECKING:
    from biasloop.evaluations import EvaluationResult, Gates
    from biasloop.predictions import Reading, Source

CROSSED = 4  # exit code


@dataclass(frozen=True)
class Tables:
    """What is written of a result beside what is printed."""

    csv: Annotated[
        Path | None, typer.Option("--csv", "--output", "-o", metavar="FILE", help="Write the table as CSV, too.")
    ] = None
    force: Force = False

    def check(self) -> None:
        """Refuse what cannot be written.

        Raises:
            InvalidInput: naming the option.
        """
        check_file("--csv", self.csv, force=self.force)

    def write(self, answer: "EvaluationResult", tell: Callable[[str], None]) -> None:
        """Write the table, if it was asked for, and tell where it is."""
        if self.csv is not None:
            from biasloop.evaluations import write_csv

            write_csv(answer, self.csv)
            tell(f"wrote {self.csv}")


@dataclass(frozen=True)
class Figures(Tables):
    """The same, with a figure."""

    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, too: .png, .pdf or .svg.")] = (
        None
    )

    def check(self) -> None:
        """Refuse what cannot be written, as for `Tables`."""
        super().check()
        if self.plot is not None:
            check_figure("--plot", self.plot, force=self.force)

    def draw(
        self, kind: str, answer: "EvaluationResult", title: str, names: tuple[str, ...], tell: Callable[[str], None]
    ) -> None:
        """Draw the figure, if it was asked for, and tell where it is."""
        if self.plot is not None:
            from biasloop.report.figures.evaluation import draw

            draw(kind, answer, self.plot, title, names)
            tell(f"wrote {self.plot}")


@dataclass(frozen=True)
class Outcome:
    """Gates on a result, and for whom it is printed."""

    fail_above: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-above", metavar="METRIC=VALUE", help="Exit with code 4 if the metric is above VALUE (repeatable)."
        ),
    ] = None
    fail_below: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-below", metavar="METRIC=VALUE", help="Exit with code 4 if the metric is below VALUE (repeatable)."
        ),
    ] = None
    gate_on: Annotated[
        str,
        typer.Option(
            "--gate-on",
            metavar="[value|interval]",
            help='What gates look at; "interval": only where the whole 95 % interval lies beyond VALUE do they fail.',
        ),
    ] = "value"
    json: Json = False

    def gates(self, known: Iterable[str]) -> "Gates":
        """The gates asked for.

        Args:
            known: metrics that they may name.

        Raises:
            InvalidInput: a bad one.
        """
        from biasloop.evaluations import gates

        return gates(self.fail_above or [], list(known), below=self.fail_below or [], on=self.gate_on)

    @property
    def tell(self) -> Callable[[str], None]:
        """Where a line goes that scripts do not read."""
        return note if self.json else say

    def show(self, answer: "EvaluationResult", shown: Callable[[], None]) -> None:
        """Print what was measured, as `shown` does or for scripts."""
        if self.json:
            emit(answer.as_json())
            return
        from biasloop.report.tables.evaluation import show_remarks

        shown()
        show_remarks(answer)

    def end(self, answer: "EvaluationResult", gates: "Gates") -> None:
        """Exit with a code of its own where a gate was crossed.

        Raises:
            typer.Exit: one was.
        """
        crossed = gates.crossed(answer)
        for text in crossed:
            note(f"biasloop: {text}", urgent=True)
        if crossed:
            raise typer.Exit(CROSSED)


@dataclass(frozen=True)
class Rows:
    """Which rows of a file of predictions are read, and beside which other file's."""

    number: Annotated[int | None, typer.Option("--round", min=0, help="Of a stored run; default: the newest.")] = None
    name: Annotated[str, typer.Option("--table", help='Per-sample table of a stored run; default: "test".')] = ""
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE2", help="The same of another file, and the difference.")
    ] = None
    same: Same = None
    missing: MissingRows = "refuse"
    form: InFormat = ""

    def reading(self, *files: Path | None) -> "Reading":
        """How the files of a command are read, `against` among them.

        Raises:
            InvalidInput: as `reading_of`.
        """
        from biasloop.cli.reading import reading_of

        return reading_of(self.same, self.missing, self.form, [*files, self.against])

    def sources(self, file: Path, reading: "Reading") -> "list[Source]":
        """The file, and the one that stands beside it if there is one; neither is read yet."""
        from biasloop.predictions import open_source

        first = open_source(file, number=self.number, table=self.name, reading=reading)
        if self.against is None:
            return [first]
        return [first, open_source(self.against, table=self.name, reading=reading)]
