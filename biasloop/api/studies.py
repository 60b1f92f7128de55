"""Several stored runs in Python: their arms, their metrics in one table, and how far arms are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.api import frames, html
from biasloop.api.runs import Run
from biasloop.report import comparison, planning
from biasloop.report.arms import arms, begun, open_runs
from biasloop.report.comparison import Comparison
from biasloop.report.tables import comparing, formatting, summary

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure


def open_study(*paths: str | Path) -> Study:
    """The stored runs at or below directories.

    Raises:
        InvalidInput: a directory holds none, or none is given.
        DamagedStore: one cannot be read.
    """
    places = [Path(path) for path in paths or ("runs",)]
    return Study([Run(stored) for stored in open_runs(places)])


@dataclass(frozen=True, repr=False)
class Study:
    """Runs, such as the seeds and arms of one preset.

    Attributes:
        runs: in the order of their directories.
    """

    runs: Sequence[Run]

    def arms(self) -> dict[str, list[Run]]:
        """Runs by arm: what differs in more than the seed, called as the preset does or by what differs."""
        by_directory = {run.directory: run for run in self.runs}
        grouped = arms([run.stored for run in self.runs])
        return {arm.label: [by_directory[each.run.directory] for each in arm.runs] for arm in grouped}

    def metrics(self) -> pl.DataFrame:
        """What every round of every run measured: `arm`, `seed`, and the columns of `Run.metrics`."""
        return frames.metrics_frame(
            ({"arm": label, "seed": run.seed}, number, metrics)
            for label, members in self.arms().items()
            for run in members
            for number, metrics in run.measured()
        )

    def compare(
        self, metric: str | Sequence[str] = (), *, to: str | None = None, round: int | None = None
    ) -> StudyComparison:
        """Every arm against one of them, paired by seed.

        Args:
            metric: a name or several, "bias" among them; none for what `biasloop compare` takes.
            to: the arm to compare with, or the name of its directory; None for the preset's first.
            round: which; None for the last that of every arm more than half of the runs have.

        Raises:
            InvalidInput: no run has a finished round, they are of several domains, or there is no such arm, metric or
                round.
        """
        names = [metric] if isinstance(metric, str) else list(metric)
        stored = [run.stored for run in self.runs]
        return StudyComparison(comparison.compare(stored, to=to, metrics=names, number=round))

    def plot(self, metric: str | None = None, *, x: str | None = None, pool: Sequence[str] = ()) -> Figure:
        """A figure of the runs: see `biasloop.plot`."""
        from biasloop.api.plotting import plot

        return plot(self, metric, x=x, pool=pool)

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(run.name for run in self.runs))
        seeds = len({run.seed for run in self.runs})
        parts = [formatting.counted(len(self.runs), "run"), formatting.counted(seeds, "seed")]
        unfinished = sum(not run.finished for run in self.runs)
        return f"<Study {names}: {', '.join(parts)}{f', {unfinished:,} unfinished' if unfinished else ''}>"

    def _repr_html_(self) -> str:
        stored = [run.stored for run in self.runs if run.rounds]
        if not stored:
            return html.lines([html.heading(self)])
        by_setting = summary.by_setting(stored)
        grouped = arms(begun(stored))
        headers, rows = by_setting or (summary.headers(grouped), summary.rows(grouped))
        return html.table(headers, rows, title=html.heading(self))


@dataclass(frozen=True, repr=False)
class StudyComparison:
    """The arms of a study beside each other.

    Attributes:
        comparison: the numbers.
    """

    comparison: Comparison

    @property
    def reference(self) -> str:
        """The arm that the others are held against."""
        return self.comparison.reference

    @property
    def round(self) -> int:
        """Of which all numbers are."""
        return self.comparison.round

    @property
    def notes(self) -> list[str]:
        """Which runs, arms and metrics are left out, and why."""
        return list(self.comparison.notes)

    def arms(self) -> pl.DataFrame:
        """Each arm by itself, over all its seeds: `arm`, `metric`, `mean`, `std`, `low`, `high`, `n`.

        `low` and `high` are the 95 % t interval; null where there is none.
        """
        return _frame(
            [
                {"arm": arm.arm, "metric": name, **comparing.spread(values)}
                for arm in self.comparison.arms
                for name, values in arm.values.items()
            ],
            _SPREAD,
        )

    def differences(self) -> pl.DataFrame:
        """Each other arm minus the reference over the seeds that both have: the columns of `arms`, and `e_value`."""
        return _frame(
            [
                {"arm": row.arm, "metric": row.metric, **comparing.spread(row.difference), "e_value": row.evidence}
                for row in self.comparison.differences
                if row.arm != self.comparison.reference
            ],
            [*_SPREAD, "e_value"],
        )

    def plan(self) -> pl.DataFrame:
        """How many seeds each difference needs.

        Returns:
            Columns `metric`, `arm`, `seeds` (there are), `effect` (in standard deviations of the paired difference)
            with its 95 % interval `low` and `high`, `paired_80`, `paired_90`, `unpaired_80`, `unpaired_90` (seeds for
            80 and 90 % power), `e_value_50` and `e_value_80` (seeds after which the e-value is 20 in so many percent
            of studies); null where there is none, or it is beyond what is searched.
        """
        rows = []
        for row in planning.of_comparison(self.comparison):
            of_test = {} if row.needed is None else {
                f"{kind}_{power * 100:.0f}": seeds
                for kind, by in (("paired", row.needed.paired), ("unpaired", row.needed.unpaired))
                for power, seeds in by.items()
            }  # fmt: skip
            looks = (None, None) if row.needed is None else (row.needed.sequential, row.needed.sequential_most)
            rows.append({
                "metric": row.metric, "arm": row.arm, "seeds": row.seeds, "effect": row.effect, "low": row.interval[0],
                "high": row.interval[1],
                **{key: of_test.get(key) for key in _TESTS},
                "e_value_50": looks[0], "e_value_80": looks[1],
            })  # fmt: skip
        columns = ["metric", "arm", "seeds", "effect", "low", "high", *_TESTS, "e_value_50", "e_value_80"]
        return _frame(rows, columns)

    def __repr__(self) -> str:
        others = formatting.counted(len(self.comparison.arms) - 1, "other arm")
        return f"<Comparison of {others} with {self.reference or 'all'!r} in round {self.round}>"

    def _repr_html_(self) -> str:
        compared = self.comparison
        title = f"mean ± half of its 95 % t interval over seeds, in round {compared.round}"
        tables = [html.table(*comparing.arms_table(compared), title=title)]
        if len(compared.arms) > 1:
            for name in compared.metrics:
                rows = compared.of(name)
                tables.append(
                    html.table(*comparing.differences_table(rows), title=comparing.title(rows, compared.labels))
                )
        return "".join(tables) + html.lines(compared.notes)


_SPREAD = ("arm", "metric", "mean", "std", "low", "high", "n")
_TESTS = ("paired_80", "paired_90", "unpaired_80", "unpaired_90")
_TEXTS, _WHOLE = ("arm", "metric"), ("n", "seeds", "e_value_50", "e_value_80", *_TESTS)


def _frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> pl.DataFrame:
    """Rows of numbers; null for NaN."""
    import polars as pl

    kinds = {name: pl.String if name in _TEXTS else pl.Int64 if name in _WHOLE else pl.Float64 for name in columns}
    return pl.DataFrame(rows, schema=kinds).with_columns(pl.selectors.float().fill_nan(None))
