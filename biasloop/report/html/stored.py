"""Stored runs, each of whose files is read once: all that a report says of them is collected on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biasloop.contract import names
from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput, StoreError
from biasloop.records.record import Record
from biasloop.report.html.labels import Labels
from biasloop.report.html.predicted import Predicted
from biasloop.store.finding import find_runs
from biasloop.store.manifest import SETUP, round_name, round_number
from biasloop.store.reader import Run

Summary = tuple[int, dict[str, Metric], dict[str, int], float | None]


@dataclass
class ReadOnce(Run):
    """A run whose summaries are remembered, with what else a report needs of its steps.

    Attributes:
        labels: who gave the labels of its training sets.
        predicted: what its last model says of the test set, or of its samples.
        annotators: what annotators of the set-up measured, by evaluation.
    """

    labels: Labels = field(default_factory=Labels)
    predicted: Predicted = field(default_factory=Predicted)
    annotators: dict[str, Mapping[str, Metric]] = field(default_factory=dict)
    _summaries: list[Summary] = field(default_factory=list)
    _snapshots: dict[int, dict[int, dict[str, Metric]]] = field(default_factory=dict)
    _pretrained: dict[str, Metric] = field(default_factory=dict)

    def collect(self) -> None:
        """Read every step.

        Raises:
            DamagedStore: a file is missing, altered or of a newer format.
        """
        steps = self.manifest.steps()
        for step in steps:
            record, number = self.read(step), round_number(step)
            self.labels.add(number, record)
            if step == SETUP:
                self._take_setup(record)
            else:
                main = record.evaluations.get(names.MAIN)
                seconds = self.manifest.files[f"{step}.h5"].seconds
                self._summaries.append((number, dict(main.metrics) if main else {}, dict(record.sizes), seconds))
                self._snapshots[number] = _by_epoch(record)
            if step in {SETUP, steps[-1]}:
                self.predicted.add(record)

    def _take_setup(self, record: Record) -> None:
        untouched = record.evaluations.get(names.PRETRAINED)
        self._pretrained = dict(untouched.metrics) if untouched else {}
        self.annotators = {
            name: evaluation.metrics
            for name, evaluation in record.evaluations.items()
            if name == names.ANNOTATOR or name.startswith(names.ANNOTATOR_OF)
        }

    def summaries(self, numbers: Sequence[int] | None = None) -> Iterator[Summary]:
        """As `Run.summaries`, of what was read."""
        chosen = self.rounds if numbers is None else numbers
        return iter([self._summaries[number] for number in chosen])

    def snapshots(self, number: int) -> dict[int, dict[str, Metric]]:
        """As `Run.snapshots`, of what was read."""
        return self._snapshots[number]

    def pretrained(self) -> dict[str, Metric]:
        """As `Run.pretrained`, of what was read."""
        return dict(self._pretrained)


def _by_epoch(record: Record) -> dict[int, dict[str, Metric]]:
    by_epoch = {
        int(name.removeprefix(names.SNAPSHOT)): dict(evaluation.metrics)
        for name, evaluation in record.evaluations.items()
        if name.startswith(names.SNAPSHOT)
    }
    return dict(sorted(by_epoch.items()))


@dataclass(frozen=True)
class Collected:
    """Runs that were read.

    Attributes:
        runs: whole ones.
        unread: path -> why it could not be read.
    """

    runs: Sequence[ReadOnce]
    unread: Mapping[str, str]


def collect(places: Sequence[Path]) -> Collected:
    """The runs at or below the given directories, each once; those that are damaged are told apart.

    Raises:
        InvalidInput: a directory holds none.
        StoreError: none can be read.
    """
    runs: dict[Path, ReadOnce] = {}
    unread: dict[str, str] = {}
    for place in places:
        below = find_runs(place) if place.is_dir() else []
        if not below:
            raise InvalidInput(f"there is no run at {place}; `biasloop runs list` lists them")
        for directory in below:
            if directory.resolve() in runs:
                continue
            try:
                opened = Run.open(directory)
                run = ReadOnce(opened.directory, opened.manifest)
                run.collect()
            except StoreError as error:
                unread[str(directory)] = str(error)
            except (ValueError, KeyError, IndexError, TypeError) as error:  # what no biasloop has written
                unread[str(directory)] = f"{directory} holds what no run has ({type(error).__name__}: {error})"
            else:
                runs[directory.resolve()] = run
    if not runs:
        raise StoreError(next(iter(unread.values())))
    return Collected(list(runs.values()), unread)


def last_step(run: Run) -> str:
    """The step of a run's last round."""
    return round_name(run.rounds[-1])


def about(run: Run) -> dict[str, Any]:
    """What a run says of itself that does not determine its results."""
    return run.manifest.about
