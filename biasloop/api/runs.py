"""A stored run in Python: what it is, what its rounds measured, and who labelled what it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.api import frames, html
from biasloop.contract import names
from biasloop.contract.data import Metric, joined
from biasloop.errors import InvalidInput
from biasloop.records.record import Record
from biasloop.report.tables import formatting
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run as Stored

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from biasloop.report.tables.against_bound import Comparison

_MOST_METRICS = 8  # columns that a page has room for


def open_run(path: str | Path) -> Run:
    """A stored run by its directory.

    Raises:
        InvalidInput: there is no run, or there are several below; `open_study` opens those.
        DamagedStore: it cannot be read.
    """
    from biasloop.report.arms import open_runs

    directory = Path(path)
    runs = open_runs([directory])
    if len(runs) > 1:
        raise InvalidInput(
            f"{directory} holds {len(runs)} runs; open them with open_study({str(path)!r}), or one of them, such as "
            f"open_run({str(runs[0].directory)!r})"
        )
    return Run(runs[0])


@dataclass(frozen=True, repr=False)
class Run:
    """A stored run. Nothing is kept in memory: every call reads what it needs.

    Attributes:
        stored: its files.
    """

    stored: Stored

    @property
    def directory(self) -> Path:
        """Where it lies."""
        return self.stored.directory

    @property
    def name(self) -> str:
        """Of its preset; of one that was given as a path, the file's without its ending."""
        return Path(str(self.stored.manifest.about.get("name", ""))).name.removesuffix(".toml")

    @property
    def arm(self) -> str:
        """What its preset calls its arm; empty where it has no name. `Study.arms` has what arms are shown as."""
        return str(self.stored.manifest.about.get("arm") or "")

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.stored.identity["seed"])

    @property
    def rounds(self) -> list[int]:
        """Numbers of its finished rounds, from 0."""
        return list(self.stored.rounds)

    @property
    def finished(self) -> bool:
        """Whether it has all the rounds that it was to have."""
        return bool(self.stored.manifest.about.get("finished"))

    @property
    def experiment(self) -> dict[str, Any]:
        """All that determines its results, as the nesting of a preset: seed, compat, domain, loop, selection."""
        return deepcopy(self.stored.identity)

    def metrics(self) -> pl.DataFrame:
        """What every round measured on the test set.

        Returns:
            Columns `round` (-1 is the untouched model, where it was evaluated), `metric`, `value`, `n` (samples that it
            rests on) and `se` (standard error over these); null where there is no number.
        """
        return frames.metrics_frame(({}, number, metrics) for number, metrics in self.measured())

    def measured(self) -> Iterator[tuple[int, Mapping[str, Metric]]]:
        """The same round by round: its number, and its metrics by name."""
        untouched = self.stored.pretrained()
        if untouched:
            yield -1, untouched
        for number, metrics, _, _ in self.stored.summaries():
            yield number, metrics

    def round(self, number: int) -> Round:
        """A finished round; -1 is the last one.

        Raises:
            InvalidInput: it has no such round.
        """
        rounds = self.rounds
        if not rounds:
            raise InvalidInput(f"{self.directory} has no finished round yet; the same `biasloop loop` goes on with it")
        chosen = rounds[-1] if number == -1 else number
        if chosen not in rounds:
            raise InvalidInput(f"{self.directory} has no round {number}; it has rounds 0 to {rounds[-1]}")
        return Round(self, chosen)

    def ledger(self) -> pl.DataFrame:
        """The training set of all rounds: who labelled each sample, since when, with which label, and how wrong.

        Returns:
            A row a sample in the order they came in; its columns are `api.frames.ledger_frame`'s: `id`, `since`,
            `origin`, `model`, the label, more where a run has it, `truth_` and the label, `error`. Without rows where
            the run's rule has no ledger.
        """
        every = [self.stored.read(step) for step in self.stored.manifest.steps()]
        return frames.ledger_frame(every, self.vocabularies)

    def bound(self) -> Bound:
        """The run held against Theorem 1.

        Raises:
            InvalidInput: its preset names no metric to bound, or no round is finished.
        """
        from biasloop.report.tables.against_bound import compare

        return Bound(compare(self.stored))

    def plot(self, metric: str | None = None, *, x: str | None = None) -> Figure:
        """A figure of the run: see `biasloop.plot`."""
        from biasloop.api.plotting import plot

        return plot(self, metric, x=x)

    @cached_property
    def vocabularies(self) -> Mapping[str, Sequence[str]]:
        """Names of what columns of tables index, by vocabulary."""
        return self.setup.vocabularies()

    @cached_property
    def setup(self) -> Record:
        """What stands before all rounds: test truth, vocabularies, the first training set."""
        return self.stored.read(SETUP)

    def __repr__(self) -> str:
        rounds = formatting.counted(len(self.rounds), "round")
        arm = f", arm {self.arm!r}" if self.arm else ""
        state = "" if self.finished else ", unfinished"
        return f"<Run {self.name}{arm}, seed {self.seed}, {rounds}{state}: {self.directory}>"

    def _repr_html_(self) -> str:
        from biasloop.report.arms import Measured

        rows = list(self.measured())
        section = Measured(self.stored, [], [], []).bound_section
        about = self.stored.manifest.about.get("plot", {})
        first = [section.metric, section.baseline] if section else []
        wanted = dict.fromkeys([*first, *about.get("series", []), about.get("quality", "accuracy")])
        every = dict.fromkeys(name for _, metrics in rows for name in metrics)
        shown = list(dict.fromkeys([*(name for name in wanted if name in every), *every]))[:_MOST_METRICS]
        cells = [[str(number), *(_cell(metrics.get(name)) for name in shown)] for number, metrics in rows]
        more = len(every) - len(shown)
        notes = [f"{more} more metrics: .metrics()"] if more > 0 else []
        return html.table(["round", *shown], cells, title=html.heading(self)) + html.lines(notes)


@dataclass(frozen=True, repr=False)
class Round:
    """A finished round of a run.

    Attributes:
        run: that it is of.
        number: from 0.
    """

    run: Run
    number: int

    @property
    def metrics(self) -> dict[str, Metric]:
        """What it measured on the test set, by name: value, n, standard error (`error`)."""
        ((_, metrics, _, _),) = self.run.stored.summaries([self.number])
        return dict(metrics)

    @property
    def sizes(self) -> dict[str, int]:
        """Samples of the training set: all ("train"), trained on ("trained"), by labeller ("human", "model"), ..."""
        return dict(self.record.sizes)

    @property
    def seconds(self) -> float | None:
        """How long it took; None where nobody knows."""
        return self.run.stored.manifest.files[f"{round_name(self.number)}.h5"].seconds

    @property
    def tables(self) -> list[str]:
        """Names of its per-sample tables."""
        return sorted(self._evaluated())

    def table(self, name: str = "") -> pl.DataFrame:
        """Per-sample outputs of the test set, beside what is right.

        Args:
            name: of the table; empty for "test", or the only one.

        Raises:
            InvalidInput: there is no such table.
        """
        from biasloop.predictions.stored import of_run

        return of_run(self.run.directory, self.number, name)

    def curve(self, call: str = names.FIT) -> pl.DataFrame:
        """What a fit logged of every epoch.

        Args:
            call: which fit, where a round has several ("generator", "classifier", ...).

        Raises:
            InvalidInput: the round has no such curve.
        """
        frame = self.record.frames.get(names.logged(call, names.CURVE))
        if frame is None:
            end = f".{names.CURVE}"
            known = [name.removesuffix(end) for name in self.record.frames if name.endswith(end)]
            there = f"there are {', '.join(known)}" if known else "there is none"
            raise InvalidInput(f"{self.run.directory}: round {self.number} has no curve of {call!r}; {there}")
        return frames.table_frame(frame, self.run.vocabularies)

    def added(self) -> pl.DataFrame:
        """The rows that the training set gained for this round, as `Run.ledger` has them."""
        steps = [self.run.setup, self.record] if self.number == 0 else [self.record]
        return frames.ledger_frame(steps, self.run.vocabularies)

    @cached_property
    def record(self) -> Record:
        """All that is stored of it, without its models."""
        return self.run.stored.read(round_name(self.number))

    def _evaluated(self) -> Mapping[str, object]:
        evaluation = self.record.evaluations.get(names.MAIN)
        return joined({}, evaluation.tables) if evaluation else {}

    def __repr__(self) -> str:
        return f"<Round {self.number} of {self.run!r}>"

    def _repr_html_(self) -> str:
        cells = [[name, _cell(metric), str(metric.n)] for name, metric in self.metrics.items()]
        return html.table(["metric", "value ± standard error", "n"], cells, title=html.heading(self))


@dataclass(frozen=True, repr=False)
class Bound:
    """A run held against Theorem 1 of Taori & Hashimoto (2022).

    Attributes:
        comparison: the numbers.
    """

    comparison: Comparison

    @property
    def delta(self) -> float:
        """Calibration error of round 0, signed, that the bound begins with."""
        return self.comparison.delta

    @property
    def limit(self) -> float | None:
        """What the bound tends to; None if it grows without end."""
        return self.comparison.limit

    @property
    def exceeded(self) -> list[int]:
        """Rounds in which the bias was larger than the bound."""
        return self.comparison.exceeded

    @property
    def verdict(self) -> str:
        """Whether and where the run exceeded its bound, in a sentence."""
        return self.comparison.verdict()

    def table(self) -> pl.DataFrame:
        """Columns `round`, `measured`, `baseline`, `bias`, `bound`, `ratio`, `per_round_bound`; null without number."""
        import polars as pl

        rows = self.comparison.as_json()["rounds"]
        kinds = {name: pl.Int64 if name == "round" else pl.Float64 for name in rows[0]}
        return pl.DataFrame(rows, schema=kinds).with_columns(pl.selectors.float().fill_nan(None))

    def __repr__(self) -> str:
        return f"<Bound on {self.comparison.metric}: {self.verdict}>"

    def _repr_html_(self) -> str:
        columns = ["round", "measured", "baseline", "bias", "bound", "ratio", "per-round bound"]
        return html.table(columns, self.comparison.cells(), title=self.comparison.metric) + html.lines([self.verdict])


def _cell(metric: Metric | None) -> str:
    return formatting.MISSING if metric is None else formatting.measured(metric.value, metric.error)
