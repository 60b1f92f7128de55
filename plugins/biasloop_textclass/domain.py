"""The domain "textclass": a classifier labels texts that later classifiers are trained on.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Floats, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.contract.domains import EPOCHS, SELECTION, WEIGHTS, Demands
from biasloop.contract.labels import (
    ARGMAX,
    SAMPLE,
    check_rule,
    class_labels,
    cross_entropy,
    labelled,
    most_probable,
    softmax,
)
from biasloop.contract.model_files import ModelFormat
from biasloop.contract.names import CLASSES, CONFIDENCE, GROUP, IDS, PREDICTION, TARGET, TEST
from biasloop.contract.variants import Shared, varied
from biasloop.datasets.catalogue import network_requirements
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.fairness import intersections
from biasloop_textclass import checkpoints, sources, splits
from biasloop_textclass import config as settings
from biasloop_textclass.measures import measure

if TYPE_CHECKING:
    from torch import nn

    from biasloop.training.heads import Headed
    from biasloop_textclass.learner import Learner
    from biasloop_textclass.texts import LabelledTexts

T = TypeVar("T")


class TextClassDomain:
    """Classification of texts, or of pairs of texts.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.

    Raises:
        InvalidInput: if there can be no such data.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._source = sources.source(config, context)

    def memory_settings(self) -> Sequence[str]:
        """Batches, then the length of texts."""
        return ["domain.batch_size", "domain.evaluation_batch", "domain.length"]

    def requirements(self) -> list[Requirement]:
        """The data set and the network, if they have to be fetched."""
        return [*self._source.requirements(), *network_requirements(self.config.network, self._context.data)]

    def honours(self) -> frozenset[str]:
        """The end of every epoch, weights, and selection."""
        return frozenset({EPOCHS, SELECTION, WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse files, classes, networks and devices that are not there or do not go together."""
        self._source.check()
        if self._context.device not in {"auto", "cpu"}:
            from biasloop.training import device

            device.resolve(self._context.device)
        checkpoints.check(self.config, self._context.data)
        if all(need.present for need in self._source.requirements()):
            _ = self._followed, self._splits  # which say so

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def fingerprint(self) -> str:
        """A digest of texts, labels, classes and groups."""
        return f"{self.config.data}:{self._texts.fingerprint}"

    def vocabularies(self) -> Mapping[str, Column]:
        """The names of the classes, and of the values of each column of groups."""
        groups = self.config.columns.groups
        named = {groups[name]: group.names for name, group in self._texts.groups.items()}
        return {name: Column.text(names) for name, names in {CLASSES: self._texts.classes, **named}.items()}

    def splits(self) -> Splits:
        """As published, else drawn at random; texts without a label are all in the pool.

        Raises:
            InvalidInput: if test set and holdout leave nothing.
        """
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Labels of the data, with confidence 1."""
        return class_labels(self._texts.labels[ids], np.ones(len(ids)))

    def references(self, work: Work) -> Tables:
        """The table "test": ids, targets and groups."""
        ids = self._splits.test
        target = Column(self._texts.labels[ids], role=TARGET, vocabulary=CLASSES)
        return {TEST: Frame({IDS: Column(ids, role=IDS), TARGET: target}).plus(self.groups(ids))}

    def texts(self, ids: Ints) -> Sequence[str]:
        """Texts; of pairs both, the second on a line of its own."""
        columns = [column.take(ids).strings() for column in self._texts.columns]
        return ["\n".join(parts) for parts in zip(*columns, strict=True)]

    def groups(self, ids: Ints) -> Frame:
        """A column for each attribute of the table."""
        called = self.config.columns.groups
        groups = self._texts.groups.items()
        return Frame({called[name]: Column(g.values[ids], role=GROUP, vocabulary=called[name]) for name, g in groups})

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop_textclass.measures.measure`."""
        labels = train.labels[TARGET] if TARGET in train.labels else np.zeros(0, np.int64)
        groups = {column: vocabularies[column] for column in self.config.columns.groups.values()}
        classes = vocabularies[CLASSES]
        return measure(tables[TEST], labels, classes, self._followed_of(classes), groups)

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new classifier, trained on the samples' labels.

        Raises:
            Diverged: if the loss is not finite.
            InvalidInput: if there is not one batch to train on.
        """
        return self._learner.fit(train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """The table "test": most probable class (int64) and its probability (float32)."""
        given = self.label(model, self._splits.test, ARGMAX, work)
        prediction = Column(given[TARGET], role=PREDICTION, vocabulary=CLASSES)
        return {TEST: Frame({PREDICTION: prediction, CONFIDENCE: given.columns[CONFIDENCE]})}

    def label_rules(self) -> tuple[str, ...]:
        """The most probable class, or one drawn with the probabilities."""
        return ARGMAX, SAMPLE

    def label(self, model: nn.Module, ids: Ints, by: str, work: Work) -> Frame:
        """Labels of texts, with the probability of each; a drawn label depends on (stream, id).

        Raises:
            InvalidInput: if there is no such rule.
        """
        check_rule(by, "textclass")
        logits = self._learner.logits(model, ids)  # (rows, classes)
        return labelled(softmax(logits), by, ids, work.streams, best=most_probable(logits))

    def probabilities(self, model: nn.Module, ids: Ints, work: Work) -> Floats:
        """`(rows, classes)` float64, the softmax of the logits that labels are given by."""
        return softmax(self._learner.logits(model, ids))

    def losses(self, model: nn.Module, samples: Samples, work: Work) -> Floats:
        """`(rows,)` float64 cross-entropy of each sample's label; nothing is dropped out, and weights do not count.

        Raises:
            InvalidInput: a label is no class.
        """
        return cross_entropy(self._learner.logits(model, samples.ids), samples.labels[TARGET])

    def categories(self, samples: Samples) -> Ints:
        """`(rows,)` the class; of a table with groups class x groups + group, of all columns."""
        target: Ints = samples.labels[TARGET]
        groups = self._texts.groups
        if not groups:
            return target
        by_class = {"": (target, len(self._texts.classes))}
        return intersections(by_class | {k: (g.values[samples.ids], len(g.names)) for k, g in groups.items()})

    def category_names(self) -> Sequence[str]:
        """Names of classes; of a table with groups "class, value, ..."."""
        named = (self._texts.classes, *(group.names for group in self._texts.groups.values()))
        return [", ".join(names) for names in itertools.product(*named)]

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of the network by name."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(arrays)

    def write_model(self, model: nn.Module, directory: Path) -> ModelFormat:
        """A classifier of a pretrained encoder with its tokenizer, as transformers writes one."""
        self._learner.write(model, directory)
        loader = "AutoModelForSequenceClassification"
        return ModelFormat("transformers", "text-classification", loader, self.config.network)

    def fit_heads(self, train: Samples, weights: Floats, work: Work) -> Headed:
        """A new network whose last layer has a slice of the classes for each head."""
        return self._learner.fit_heads(train, weights, work)

    def head_losses(self, model: Headed, samples: Samples, work: Work) -> Floats:
        """`(heads, rows)` float64, as `losses`."""
        return self._learner.head_losses(model, samples)

    def save_heads(self, model: Headed) -> Arrays:
        """As `save`, and how many heads there are."""
        from biasloop.training import heads

        return heads.save(model)

    def load_heads(self, arrays: Arrays) -> Headed:
        """The network that was saved."""
        return self._learner.load_heads(arrays)

    def variant(self, changes: Mapping[str, object], shared: Shared = "data") -> TextClassDomain:
        """A domain over the very same texts, whose networks are trained by other settings.

        Raises:
            InvalidInput: a setting is none, or what is shared depends on it: a tokenizer is part of inputs.
        """
        other = TextClassDomain(varied(self.config, changes, settings.BESIDE[shared], shared), self._context)
        if shared != "data" and not self._learner.reads_like(other._learner):
            raise InvalidInput(
                f"a model beside the run's own is given its tokens, and the tokenizer of {other.config.network!r} with "
                f"these settings is another than that of {self.config.network!r}; set a network that shares it"
            )
        return other

    def has_dropout(self) -> bool:
        """Whether the network has a layer that leaves anything out."""
        if self.config.network == settings.BUILT_IN:
            return self.config.small.dropout > 0
        from biasloop_textclass.pretrained_encoder import Pretrained

        return Pretrained(self.config.network, len(self._texts.classes), self._context.data).has_dropout()

    def _once(self, name: str, without: frozenset[str], build: Callable[[], T], *drawn: str) -> T:
        """What depends on settings, all but those `without`, and on what it is drawn from; shared in a plan."""
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING, *without}))
        return self._context.once(f"textclass.{name}", (made_from, *drawn), build)

    @cached_property
    def _texts(self) -> LabelledTexts:
        return self._once("texts", settings.DRAWN, self._source.read)

    @cached_property
    def _splits(self) -> Splits:
        streams = self._context.streams
        chosen = self._frequent(self._texts.classes)
        return self._once(
            "splits", frozenset(), lambda: splits.draw(self.config, self._texts, chosen, streams), str(streams.path)
        )

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_textclass.learner import Learner

        parts = self._splits
        used = np.sort(np.concatenate([parts.test, parts.holdout, parts.pool]))
        return Learner(self.config, self._texts, used, self._context)

    def _frequent(self, classes: Sequence[str]) -> int | None:
        """The class that is more frequent."""
        imbalance = self.config.imbalance
        return None if imbalance is None else class_id(imbalance.class_name, classes, self.config.data)

    @property
    def _followed(self) -> int | None:
        return self._followed_of(self._texts.classes)

    def _followed_of(self, classes: Sequence[str]) -> int | None:
        """The class whose share is followed.

        Raises:
            InvalidInput: if the data have no such class.
        """
        follow = self.config.follow
        if follow is None:
            return self._frequent(classes)
        if follow not in classes:
            raise InvalidInput(f"domain.follow is {follow!r}, and the classes are {', '.join(classes)}")
        return [*classes].index(follow)
