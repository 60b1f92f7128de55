"""The domain "tabular": an estimator of scikit-learn labels rows of a table that later ones are trained on.

No scikit-learn here: a fit imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Floats, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.contract.domains import WEIGHTS, Demands, names_in
from biasloop.contract.labels import ARGMAX, SAMPLE, Cell, check_rule, class_labels, described, labelled
from biasloop.contract.names import CLASSES, CONFIDENCE, GROUP, IDS, PREDICTION, TARGET, TEST
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system import threads
from biasloop_tabular import config as settings
from biasloop_tabular import learner, sources, splits
from biasloop_tabular.encoding import Table
from biasloop_tabular.learner import Learner
from biasloop_tabular.measures import measure

if TYPE_CHECKING:
    from biasloop_tabular.rows import LabelledRows

T = TypeVar("T")


class TabularDomain:
    """Classification of the rows of a table.

    A model is named arrays (`biasloop_tabular.learner.Learner`).

    Args:
        config: the `[domain]` table.
        context: streams, threads.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context

    def requirements(self) -> list[Requirement]:
        """Nothing that could be fetched."""
        return []

    def honours(self) -> frozenset[str]:
        """Weights; an estimator has no epochs."""
        return frozenset({WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse a table, columns or classes that are not there, and scikit-learn that is not installed."""
        learner.require()
        sources.check(self.config)
        _ = self._followed_of(self._rows.classes), self._splits  # which say so

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def fingerprint(self) -> str:
        """A digest of features, outcomes, groups and ids."""
        return f"{self.config.data}:{self._rows.fingerprint}"

    def vocabularies(self) -> Mapping[str, Column]:
        """The names of the classes, and of the values of each sensitive column."""
        called, rows = self.config.groups, self._rows
        named = {CLASSES: rows.classes} | {called[name]: group.words for name, group in rows.groups.items()}
        return {name: Column.text(words) for name, words in named.items()}

    def splits(self) -> Splits:
        """Drawn at random, unless a column says what each row is for; rows without an outcome are all in the pool.

        Raises:
            InvalidInput: if the table is not as the settings say, or nothing is left to train on.
        """
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Outcomes of the table, with confidence 1."""
        return class_labels(self._rows.labels[ids], np.ones(len(ids)))

    def references(self, work: Work) -> Tables:
        """The table "test": ids, targets and groups."""
        ids = self._splits.test
        columns = {IDS: Column(ids, role=IDS), TARGET: self.human_labels(ids).columns[TARGET]}
        return {TEST: Frame({**columns, **self.groups(ids).columns})}

    def groups(self, ids: Ints) -> Frame:
        """A column for each sensitive one."""
        called = self.config.groups
        return Frame({
            called[name]: Column(group.values[ids], role=GROUP, vocabulary=called[name])
            for name, group in self._rows.groups.items()
        })  # fmt: skip

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop_tabular.measures.measure`."""
        classes = vocabularies[CLASSES]
        given = {name: column.values for name, column in train.labels.columns.items()}
        groups = {column: vocabularies[column] for column in self.config.groups.values()}
        chosen, joint = self._followed_of(classes), self.config.intersections
        return measure(tables[TEST], given, classes, chosen, groups, joint=joint)

    def fit(self, train: Samples, work: Work) -> Arrays:
        """A new model, trained on the samples' labels with their weights.

        Raises:
            InvalidInput: no sample has a weight above 0.
        """
        return self._learner.fit(train, work)

    def predict(self, model: Arrays, work: Work) -> Tables:
        """The table "test": most probable class (int64) and its probability (float32)."""
        given = self.label(model, self._splits.test, ARGMAX, work)
        predicted = Column(given[TARGET], role=PREDICTION, vocabulary=CLASSES)
        return {TEST: Frame({CONFIDENCE: given.columns[CONFIDENCE], PREDICTION: predicted})}

    def label_rules(self) -> tuple[str, ...]:
        """The most probable class, or one drawn with the probabilities."""
        return ARGMAX, SAMPLE

    def label(self, model: Arrays, ids: Ints, by: str, work: Work) -> Frame:
        """Labels of rows, with the probability of each; a drawn label depends on (stream, id).

        Raises:
            InvalidInput: if there is no such rule.
        """
        check_rule(by, "tabular")
        return labelled(self._learner.probabilities(model, ids), by, ids, work.streams)

    def probabilities(self, model: Arrays, ids: Ints, work: Work) -> Floats:
        """`(rows, classes)` float64, as labels are given by; a class that the training set lacked has 0."""
        return self._learner.probabilities(model, ids)

    def texts(self, ids: Ints) -> Sequence[str]:
        """Rows of the table without outcome and sensitive columns, a cell a line."""
        return self._rows.texts(ids)

    def describe(self, ids: Ints, labels: Frame) -> Sequence[Mapping[str, Cell]]:
        """Classes by name; of a table with ids of its own, those of the rows."""
        columns = described(labels, names_in(self))
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        names = self._rows.names
        return rows if names is None else [row | {"id": names[number]} for row, number in zip(rows, ids, strict=True)]

    def save(self, kind: str, model: Arrays) -> Arrays:
        """What the encoder has learnt, and what the estimator keeps."""
        return model

    def load(self, kind: str, arrays: Arrays) -> Arrays:
        """The arrays that were saved."""
        return arrays

    def _once(self, name: str, without: frozenset[str], build: Callable[[], T], *drawn: str) -> T:
        """What depends on settings, all but those `without`, and on what it is drawn from; shared in a plan."""
        made_from = self.config.model_dump_json(exclude={*settings.TRAINING, *without})
        return self._context.once(f"tabular.{name}", (made_from, *drawn), build)

    @cached_property
    def _rows(self) -> LabelledRows:
        return self._once("rows", settings.DRAWN, lambda: sources.read(self.config, self._context))

    @cached_property
    def _splits(self) -> Splits:
        streams = self._context.streams.at("data", "split")
        return self._once(
            "splits", frozenset(), lambda: splits.draw(self.config, self._rows, streams), str(streams.path)
        )

    @cached_property
    def _learner(self) -> Learner:
        table = self._once("table", settings.DRAWN, lambda: Table.of(self._rows.features))
        return Learner(self.config, table, len(self._rows.classes), self._context.threads or threads.chosen())

    def _followed_of(self, classes: Sequence[str]) -> int | None:
        """The class whose share is followed: the one that is named, else of two the second.

        Raises:
            InvalidInput: if the data have no such class.
        """
        follow = self.config.follow
        if follow is None:
            return 1 if len(classes) == 2 else None
        if follow not in classes:
            raise InvalidInput(f"domain.follow is {follow!r}, and the classes are {', '.join(classes)}")
        return [*classes].index(follow)
