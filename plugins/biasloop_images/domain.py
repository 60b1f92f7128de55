"""The domain "images": a classifier labels pictures that later classifiers are trained on.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.data import Array, Arrays, Column, Floats, Frame, Ints, Metric, Page, Samples, Splits, Tables
from biasloop.domains import Context, Requirement, Work
from biasloop.errors import InvalidInput
from biasloop.late import numpy as np
from biasloop_images import config as settings
from biasloop_images import pictures, sources
from biasloop_images.measures import measure
from biasloop_images.resample import class_id, resample

if TYPE_CHECKING:
    from torch import nn

    from biasloop.datasets import Images
    from biasloop_images.learner import Learner

CLASSES = "classes"  # the vocabulary that targets and predictions index
ARGMAX, SAMPLE = "argmax", "sample"


class ImagesDomain:
    """Image classification with one class that is more frequent than the others.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.

    Raises:
        InvalidInput: if there are no such data, or they have no such class.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._source = sources.source(config, context)
        self._name = config.data if config.path is None else config.path
        imbalance = config.imbalance
        self._chosen = None if imbalance is None else class_id(imbalance.class_name, self._source.classes, self._name)

    def requirements(self) -> list[Requirement]:
        """The data set, unless it is a person's own."""
        return sources.requirements(self._source, self.config.data)

    def fingerprint(self) -> str:
        """The data set's name and a digest of its images and labels: of those kept, if all are too much to read."""
        _, digest = self._kept
        return f"{self.config.data}:{digest}"

    def vocabularies(self) -> Mapping[str, Column]:
        """The names of the classes."""
        return {CLASSES: Column.text(self._source.classes)}

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def splits(self) -> Splits:
        """Test set, holdout and pool, drawn uniformly from the resampled data; each with ascending ids.

        Images without a label are all in the pool, whatever is drawn and resampled.

        Raises:
            InvalidInput: if test set and holdout leave nothing, a class has no image, or there is only one class.
        """
        return self._splits

    def truth(self, ids: Ints) -> Frame:
        """Classes as published, with confidence 1."""
        return _labels(self._data.labels[ids], np.ones(len(ids)))

    def answers(self, work: Work) -> Tables:
        """The table "test": ids and targets."""
        ids = self._splits.test
        target = Column(self._data.labels[ids], role="target", vocabulary=CLASSES)
        return {"test": Frame({"ids": Column(ids, role="ids"), "target": target})}

    def page(self, count: int, work: Work) -> Page:
        """Images of the pool drawn at random, and how many of each class the labelled ones of every split are."""
        splits, labels, classes = self._splits, self._data.labels, self._source.classes
        rows = work.streams.order(splits.pool)[:count]
        ascending = np.sort(rows)
        shown = self._data.take(ascending)[np.searchsorted(ascending, rows)]
        parts = {"pool": np.setdiff1d(splits.pool, splits.unlabelled), "holdout": splits.holdout, "test": splits.test}
        counts = {name: np.bincount(labels[ids], minlength=len(classes)) for name, ids in parts.items() if len(ids)}
        return Page(str(self._name), shown, counts, ("class",), (tuple(classes),))

    def measure(self, tables: Tables, train: Samples) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop_images.measures.measure`."""
        given = train.labels["target"] if "target" in train.labels else np.zeros(0, np.int64)
        return measure(tables["test"], given, self._source.classes, self._chosen)

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, trained on the samples' labels.

        Raises:
            Diverged: if the loss is not finite.
            InvalidInput: if there is not one batch to train on.
        """
        return self._learner.fit(train.ids, train.labels["target"], train.weights, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """The table "test": most probable class (int64) and its probability (float32)."""
        best, confidence = _most_probable(self._learner.logits(model, self._splits.test))
        return {
            "test": Frame({
                "prediction": Column(best, role="prediction", vocabulary=CLASSES),
                "confidence": Column(confidence.astype(np.float32), role="confidence"),
            })
        }  # fmt: skip

    def label_rules(self) -> tuple[str, ...]:
        """The most probable class, or one drawn with the probabilities."""
        return ARGMAX, SAMPLE

    def label(self, model: nn.Module, ids: Ints, by: str, work: Work) -> Frame:
        """Labels of the images, with the probability of each; a drawn label depends on (stream, id).

        Raises:
            InvalidInput: if there is no such rule.
        """
        if by not in self.label_rules():
            raise InvalidInput(f"loop.label_by is {by!r}; domain images knows {' and '.join(self.label_rules())}")
        logits = self._learner.logits(model, ids)
        if by == ARGMAX:
            return _labels(*_most_probable(logits))
        probabilities = softmax(logits)
        drawn = inverse_cdf(probabilities, work.streams.uniform(ids)[:, 0])
        return _labels(drawn, probabilities[np.arange(len(ids)), drawn])

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of the network by name; every kind of model is a network here."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(arrays)

    @cached_property
    def _data(self) -> Images:
        return self._source.read()

    @cached_property
    def _kept(self) -> tuple[pictures.Pictures, str]:
        """The images that the run uses, and what tells the data from other data."""
        data, splits, config = self._data, self._splits, self.config
        ids = np.sort(np.concatenate([splits.test, splits.holdout, splits.pool]))
        raw = data.take(ids)
        digest = data.digest(raw)
        mean, std = self._pixel_statistics(raw)
        if config.compat == "released" and config.data == "cinic10":
            raw = pictures.wrapped(raw, mean, std)
        if config.shape is not None:
            height, width, channels = config.shape
            raw = pictures.shaped(raw, (height, width, channels))
        channels = raw.shape[-1] // len(mean)  # grey that was repeated
        return pictures.Pictures(raw, ids, np.tile(mean, channels), np.tile(std, channels)), digest

    def _pixel_statistics(self, kept: Array) -> tuple[Floats, Floats]:
        """As published, else measured: on the whole data set if it is in memory; zeros of padding do not count."""
        mean, std = self._source.mean, self._source.std
        if mean is not None and std is not None:
            return np.array(mean), np.array(std)
        return pictures.pixel_statistics(getattr(self._data, "images", kept))

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_images.learner import Learner

        context, classes = self._context, len(self._source.classes)
        return Learner(self.config, self._kept[0], classes, context.device, context.threads)

    @cached_property
    def _splits(self) -> Splits:
        sources.check_classes(self._data, self._name)
        used, test, holdout = self._used(), self.config.test, self.config.holdout
        if test + holdout >= len(used):
            parts = f"domain.test {test}" + (f" and domain.holdout {holdout}" if holdout else "")
            raise InvalidInput(
                f"{parts} leave nothing to train on: {self._name} has {len(used)} images here; "
                f"set them to less than {len(used)} together"
            )
        order = self._context.streams.at("data", "split").order(used)
        ends = (test, test + holdout)
        parts_of = [np.sort(part) for part in np.split(order, ends)]
        unlabelled = np.flatnonzero(self._data.labels < 0)
        pool = np.union1d(parts_of[2], unlabelled)
        return Splits(test=parts_of[0], holdout=parts_of[1], pool=pool, unlabelled=unlabelled)

    def _used(self) -> Ints:
        """The labelled images that are used."""
        if self._chosen is None or self.config.imbalance is None:
            return np.flatnonzero(self._data.labels >= 0)
        streams = self._context.streams.at("data", "imbalance")
        factor = self.config.imbalance.factor
        return resample(self._data.labels, self._source.classes, self._chosen, factor, streams)


def softmax(logits: Array) -> Floats:
    """Probabilities in float64 of `(n, classes)` logits."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def inverse_cdf(probabilities: Floats, uniform: Floats) -> Ints:
    """The class at which the summed probabilities pass a uniform number, row by row.

    Args:
        probabilities: `(n, classes)`, rows sum to 1.
        uniform: `(n,)` in [0, 1).

    Returns:
        `(n,)` class ids; a class of probability 0 is never drawn.
    """
    summed = probabilities.cumsum(1)
    # Rounding may leave the last sum below 1; divided by it, it is above any uniform number.
    return np.asarray((summed / summed[:, -1:] <= uniform[:, None]).sum(1), np.int64)


def _most_probable(logits: Array) -> tuple[Ints, Floats]:
    best = logits.argmax(1)
    return best, softmax(logits)[np.arange(len(best)), best]


def _labels(target: Ints, confidence: Floats) -> Frame:
    return Frame({
        "target": Column(target.astype(np.int64), role="target", vocabulary=CLASSES),
        "confidence": Column(confidence.astype(np.float32), role="confidence"),
    })  # fmt: skip
