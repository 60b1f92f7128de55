"""The domain "command": somebody's programs train and predict; their labels are what later models are trained on.

Everything a program is given is a function of data, settings, seed and the call, so that one that is deterministic
makes a resumed run equal an uninterrupted one bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Floats, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.contract.domains import WEIGHTS, Demands, names_in
from biasloop.contract.labels import ARGMAX, SAMPLE, Cell, check_rule, class_labels, described, labelled
from biasloop.contract.names import CLASSES, CONFIDENCE, GROUP, IDS, PREDICTION, TARGET, TEST
from biasloop.lazy import numpy as np
from biasloop_command import config as settings
from biasloop_command import folders, samples
from biasloop_command.calls import Programs
from biasloop_command.measures import measure
from biasloop_command.outputs import PROBABILITY
from biasloop_command.programs import ProgramFailed

if TYPE_CHECKING:
    from biasloop_command.outputs import Output
    from biasloop_command.samples import Table


class CommandDomain:
    """Classification of the rows of a table by two programs.

    A model is the files that the training program leaves, as arrays by path.

    Args:
        config: the `[domain]` table.
        context: streams.

    Raises:
        InvalidInput: if there is no such table, or no such program.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._programs = Programs(config)

    def programs(self) -> Sequence[Sequence[str]]:
        """The argument lists of the training and the predicting program."""
        return [self.config.train, self.config.predict]

    def requirements(self) -> list[Requirement]:
        """Nothing that could be fetched."""
        return []

    def honours(self) -> frozenset[str]:
        """Weights, which the training program is given as a column; when an epoch ends is that program's own affair."""
        return frozenset({WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse a table or programs that are not there."""
        samples.check_file(self.config)
        self._programs.check()

    def fingerprint(self) -> str:
        """A digest of the table's file."""
        return f"table:{samples.digest(Path(self.config.data))}"

    def vocabularies(self) -> Mapping[str, Column]:
        """The names of the classes, and of the values of each column of groups."""
        classes = {CLASSES: Column.text(self._table.classes)}
        return classes | {name: Column.text(names) for name, names in self._groups.items()}

    def splits(self) -> Splits:
        """As the table's column says, else drawn at random; rows without a label are all in the pool.

        Raises:
            InvalidInput: if the table is not as the settings say, or nothing is left to train on.
        """
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Labels of the table, with confidence 1."""
        return class_labels(self._table.labels[ids], np.ones(len(ids)))

    def references(self, work: Work) -> Tables:
        """The table "test": ids, targets and groups."""
        ids, table = self._splits.test, self._table
        target = Column(table.labels[ids], role=TARGET, vocabulary=CLASSES)
        groups = {
            name: Column(group.values[ids], role=GROUP, vocabulary=name)
            for name, group in zip(self._groups, table.groups.values(), strict=True)
        }
        return {TEST: Frame({IDS: Column(ids, role=IDS), TARGET: target, **groups})}

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop_command.measures.measure`."""
        given = train.labels[TARGET] if TARGET in train.labels else np.zeros(0, np.int64)
        classes, follow = vocabularies[CLASSES], self.config.follow
        chosen = None if follow is None else classes.index(follow)
        columns = [settings.group_column(name, self.config.groups) for name in self.config.groups]
        return measure(tables[TEST], given, classes, chosen, {name: vocabularies[name] for name in columns})

    def fit(self, train: Samples, work: Work) -> Arrays:
        """What the training program leaves when given the samples.

        Raises:
            ProgramFailed: if it fails, or leaves no model.
        """
        return self._programs.train(self._table, train, work)

    def predict(self, model: Arrays, work: Work) -> Tables:
        """The table "test": predictions (int64) and, if the program writes them, confidences (float32).

        Raises:
            ProgramFailed: if the predicting program fails, or writes something else.
        """
        output = self._predicted(model, self._splits.test, work)
        columns = {PREDICTION: Column(output.prediction, role=PREDICTION, vocabulary=CLASSES)}
        if output.confidence is not None:
            columns[CONFIDENCE] = Column(output.confidence.astype(np.float32), role=CONFIDENCE)
        return {TEST: Frame(columns)}

    def label_rules(self) -> tuple[str, ...]:
        """The predicted class, or one drawn with the probabilities that the program writes."""
        return ARGMAX, SAMPLE

    def label(self, model: Arrays, ids: Ints, by: str, work: Work) -> Frame:
        """Labels of rows, with the confidence in each: NaN where the program says none.

        Raises:
            InvalidInput: if there is no such rule.
            ProgramFailed: as `predict`, or if labels are to be drawn and it writes no probabilities.
        """
        check_rule(by, "command")
        output = self._predicted(model, ids, work)
        if by == ARGMAX:  # whatever the program says of probabilities, its prediction is the label
            unsaid = np.full(len(ids), np.nan)
            return class_labels(output.prediction, unsaid if output.confidence is None else output.confidence)
        if output.probabilities is None:
            raise ProgramFailed(
                'loop.label_by = "sample" draws labels with probabilities, and the {output} of domain.predict has no '
                f'columns {PROBABILITY}CLASS; write them, or set loop.label_by = "argmax"'
            )
        return labelled(output.probabilities, by, ids, work.streams)

    def probabilities(self, model: Arrays, ids: Ints, work: Work) -> Floats:
        """`(rows, classes)` as the program writes them, with what its digits lack of a sum of 1 made up in proportion.

        Raises:
            ProgramFailed: as `predict`, or if it writes none.
        """
        probabilities = self._predicted(model, ids, work).probabilities
        if probabilities is None:
            raise ProgramFailed(
                f"the {{output}} of domain.predict has no columns {PROBABILITY}CLASS; write one for every class that "
                "may have a probability above 0"
            )
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True), np.float64)

    def texts(self, ids: Ints) -> Sequence[str]:
        """Rows of the table, a cell a line; without labels and groups."""
        rows = self._table.features[ids.tolist()].iter_rows(named=True)
        return ["\n".join(f"{name}: {cell}" for name, cell in row.items() if name != "id") for row in rows]

    def describe(self, ids: Ints, labels: Frame) -> Sequence[Mapping[str, Cell]]:
        """Classes by name; of a table with ids of its own, those of the rows."""
        cells: dict[str, Sequence[Cell]] = {**described(labels, names_in(self))}
        if self.config.id is not None:
            cells["id"] = [self._table.names[row] for row in ids.tolist()]
        return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]

    def save(self, kind: str, model: Arrays) -> Arrays:
        """The files of a model."""
        return folders.named(model)

    def load(self, kind: str, arrays: Arrays) -> Arrays:
        """The files that were saved."""
        return folders.unnamed(arrays)

    def _predicted(self, model: Arrays, ids: Ints, work: Work) -> Output:
        return self._programs.predict(self._table, model, ids, work)

    @cached_property
    def _table(self) -> Table:
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING, TEST, "holdout"}))
        return self._context.once("command.table", made_from, lambda: samples.load(self.config))

    @cached_property
    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the values of each column of groups, by what it is called in our tables."""
        groups = self._table.groups
        return {settings.group_column(name, groups): group.names for name, group in groups.items()}

    @cached_property
    def _splits(self) -> Splits:
        made_from, streams = (
            repr(self.config.model_dump(exclude={*settings.TRAINING})),
            self._context.streams.at("split"),
        )
        draw = partial(samples.split, self._table, self.config, streams)
        return self._context.once("command.splits", (made_from, streams.path), draw)
