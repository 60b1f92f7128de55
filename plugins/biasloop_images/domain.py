"""The domain "images": a classifier labels pictures that later classifiers are trained on.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import (
    Array,
    Arrays,
    Column,
    Floats,
    Frame,
    Ints,
    Metric,
    Page,
    Samples,
    Splits,
    Tables,
    Vocabularies,
)
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
)  # fmt: skip
from biasloop.contract.names import CLASSES, CONFIDENCE, GROUP, GROUPS, IDS, PREDICTION, SOURCES, TARGET, TEST
from biasloop.contract.published import Kept
from biasloop.contract.variants import Shared, varied
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.class_metrics import measure
from biasloop_images import checking, noise, pictures, shown, sources
from biasloop_images import config as settings
from biasloop_images import splits as splitting
from biasloop_images.biased import measures as biased_measures
from biasloop_images.biased import released
from biasloop_images.biased.build import Biased, build
from biasloop_images.biased.design import Design
from biasloop_images.grouped import Grouping
from biasloop_images.pictures import Pictures
from biasloop_images.recipes import recipe
from biasloop_images.stream import Stream

if TYPE_CHECKING:
    from torch import nn

    from biasloop.contract.randomness import Streams
    from biasloop.datasets import Images
    from biasloop.training.heads import Headed
    from biasloop_images.learner import Learner

T = TypeVar("T")
# Networks that take images of any size: of others, whose library has to be imported, it is found out.
_TAKE_ANY = ("small-cnn", "resnet18", "fashion-resnet", "cifar-resnet", "mlp")


class ImagesDomain:
    """Image classification, perhaps with one class more frequent, or with tasks that depend on a group of images.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.

    Raises:
        InvalidInput: if there are no such data, they have no such class, or settings do not go together.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._source = self._once("source", settings.DRAWN, lambda: sources.source(config, context))
        self._name = config.data if config.path is None else config.path
        if config.imbalance is not None and config.bias is not None:
            raise InvalidInput(
                "domain.imbalance makes a class more frequent and domain.bias merges classes into tasks of equal "
                "weight; set one of the two"
            )

    def memory_settings(self) -> Sequence[str]:
        """Batches, then the size of networks."""
        return ["domain.batch_size", "domain.evaluation_batch", "domain.width"]

    def requirements(self) -> list[Requirement]:
        """The data set, unless it is a person's own; weights to begin with."""
        return sources.requirements(self._source, self.config, self._context.data)

    def honours(self) -> frozenset[str]:
        """The end of every epoch, weights, and selection."""
        return frozenset({EPOCHS, WEIGHTS, SELECTION})

    def check(self, demands: Demands) -> None:
        """Refuse files, classes, networks and devices that are not there or do not go together."""
        config, device = self.config, self._context.device
        self._source.check()
        _ = self._chosen, self._design, self._stream, self._grouping  # which say so
        if demands.rows is not None and not recipe(config, demands.rows).steps(demands.rows):
            raise InvalidInput(
                f"there is no batch to train on: {demands.rows} samples, domain.batch_size {config.batch_size}, and "
                "domain.drop_last; set a smaller batch_size or drop_last = false"
            )
        if device not in {"auto", "cpu"}:
            from biasloop.training import device as devices

            devices.resolve(device)
        by_shape = config.network not in _TAKE_ANY or config.depth is not None or config.precision == "released"
        if by_shape or config.shape is not None or config.pixel_mean is not None or config.pixel_std is not None:
            _ = self._splits  # which says so if there is no image
            first = self._once("first", settings.DRAWN, lambda: self._data.take(np.zeros(1, np.int64)))  # (1, H, W, C)
            pictures.check_channels(config, first.shape[-1])
            height, width, channels = pictures.shaped(first, config.shape).shape[1:]
            if by_shape:
                checking.check_network(config, len(self._classes), (height, width, channels), self._context)

    def fingerprint(self) -> str:
        """The data set's name and a digest of its images and labels: of those kept, if all are too much to read."""
        _, digest = self._pictures
        return f"{self.config.data}:{digest}"

    def vocabularies(self) -> Mapping[str, Column]:
        """The names of the classes; of biased data the names of tasks, groups and the classes that they are made of."""
        named = {CLASSES: self._classes}
        if self._design is not None:
            named |= {GROUPS: self._design.attributes, SOURCES: self._source.classes}
        return {vocabulary: Column.text(names) for vocabulary, names in named.items()}

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def splits(self) -> Splits:
        """Test set, holdout and pool of the resampled data; each with ascending ids.

        Images without a label are all in the pool, whatever is drawn and resampled. Biased data may have fewer.

        Raises:
            InvalidInput: if test set and holdout leave nothing, a class has no image, or there is only one class.
        """
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Classes as published, or what biased data are to be learnt, or wrong ones by noise, with confidence 1."""
        return class_labels(self._told[ids], np.ones(len(ids)))

    def truth(self, ids: Ints) -> Frame:
        """Where human labels are noisy, the right ones; else no column."""
        return Frame() if self.config.noise is None else class_labels(self._targets[ids], np.ones(len(ids)))

    def references(self, work: Work) -> Tables:
        """The table "test": ids and targets; of biased data also the group and the class before the merge."""
        ids = self._splits.test
        target = Column(self._targets[ids], role=TARGET, vocabulary=CLASSES)
        columns = {IDS: Column(ids, role=IDS), TARGET: target}
        if self._biased is not None:
            columns[GROUP] = Column(self._biased.attributes[ids], role=GROUP, vocabulary=GROUPS)
            columns["source"] = Column(self._data.labels[ids], vocabulary=SOURCES)
        return {TEST: Frame(columns)}

    def page(self, count: int, work: Work) -> Page:
        """Images of the pool drawn at random, and how many of each class the labelled ones of every split are.

        Of biased data as models see them, and how many of each class and group.
        """
        data, labels = (self._data.take, self._biased), (self._told, self._classes)
        return shown.page(str(self._name), count, self._splits, data, labels, work.streams, self._stream)

    def pictures(self, ids: Ints) -> Array:
        """Images of the source data, changed as biased data are."""
        return shown.of(ids, self._data.take, self._biased)

    def groups(self, ids: Ints) -> Frame:
        """Of biased data, the group of each image; else no column."""
        if self._biased is None:
            return Frame()
        return Frame({GROUP: Column(self._biased.attributes[ids], role=GROUP, vocabulary=GROUPS)})

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop.metrics.class_metrics`; of biased data also those of groups."""
        test, classes = tables[TEST], vocabularies[CLASSES]
        given = train.labels[TARGET] if TARGET in train.labels else np.zeros(0, np.int64)
        imbalance = self.config.imbalance
        chosen = None if imbalance is None else class_id(imbalance.class_name, classes, self._name)
        metrics = measure(test, given, classes, chosen)
        if self.config.bias is not None:
            group = train.labels.columns.get(GROUP)
            groups = None if group is None else group.values
            metrics |= biased_measures.measure(test, given, groups, classes, vocabularies[GROUPS])
        return metrics

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, trained on the samples' labels.

        Raises:
            Diverged: if the loss is not finite.
            InvalidInput: if there is not one batch to train on.
        """
        return self._learner.fit(train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """The table "test": most probable class (int64) and its probability (float32)."""
        given = self.label(model, self._splits.test, ARGMAX, work).columns
        prediction = Column(given[TARGET].values, role=PREDICTION, vocabulary=CLASSES)
        return {TEST: Frame({PREDICTION: prediction, CONFIDENCE: given[CONFIDENCE]})}

    def label_rules(self) -> tuple[str, ...]:
        """The most probable class, or one drawn with the probabilities."""
        return ARGMAX, SAMPLE

    def label(self, model: nn.Module, ids: Ints, by: str, work: Work) -> Frame:
        """Labels of the images, with the probability of each; a drawn label depends on (stream, id).

        Raises:
            InvalidInput: if there is no such rule.
        """
        check_rule(by, "images")
        logits = self._learner.logits(model, ids)  # (rows, classes)
        return labelled(softmax(logits), by, ids, work.streams, best=most_probable(logits))

    def probabilities(self, model: nn.Module, ids: Ints, work: Work) -> Floats:
        """`(rows, classes)` float64, the softmax of the logits that labels are given by."""
        return softmax(self._learner.logits(model, ids))

    def losses(self, model: nn.Module, samples: Samples, work: Work) -> Floats:
        """`(rows,)` float64 cross-entropy of each sample's label, of the logits that labels are given by.

        The network is in evaluation mode, images are not augmented and weights do not count.

        Raises:
            InvalidInput: a label is no class.
        """
        return cross_entropy(self._learner.logits(model, samples.ids), samples.labels[TARGET])

    def categories(self, samples: Samples) -> Ints:
        """`(rows,)` the class, or its group of classes; of biased data, class x groups + group."""
        target: Ints = samples.labels[TARGET]
        if self._biased is None:
            return target if self._grouping is None else self._grouping.of[target]
        return target * len(self._biased.design.attributes) + self._biased.attributes[samples.ids]

    def category_names(self) -> Sequence[str]:
        """Names of classes or of groups of them; of biased data "class, group"."""
        if self._design is None:
            return self._classes if self._grouping is None else self._grouping.names
        return [f"{name}, {group}" for name in self._design.targets for group in self._design.attributes]

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of the network by name; every kind of model is a network here."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(arrays)

    def fit_heads(self, train: Samples, weights: Floats, work: Work) -> Headed:
        """A new network whose last layer has a slice of classes for each head."""
        return self._learner.fit_heads(train, weights, work)

    def head_losses(self, model: Headed, samples: Samples, work: Work) -> Floats:
        """`(heads, rows)` float64, as `losses`."""
        return self._learner.head_losses(model, samples)

    def save_heads(self, model: Headed) -> Arrays:
        """As `save`, and how many heads there are."""
        return self._learner.save_heads(model)

    def load_heads(self, arrays: Arrays) -> Headed:
        """The network that was saved."""
        return self._learner.load_heads(arrays)

    def variant(self, changes: Mapping[str, object], shared: Shared = "data") -> ImagesDomain:
        """A domain over the very same images, whose networks are trained by other settings.

        Raises:
            InvalidInput: a setting is none, or what is shared depends on it.
        """
        other = ImagesDomain(varied(self.config, changes, settings.BESIDE[shared], shared), self._context)
        other.__dict__["_pictures"] = self._pictures  # in memory once
        return other

    def has_dropout(self) -> bool:
        """Whether the network has a layer that leaves anything out."""
        from biasloop_images.learner import has_dropout

        return has_dropout(self.config)

    def layout(self) -> str:
        """Of the published study of bias amplification."""
        return "bias-amp"

    def export(self, name: str, setup: Kept, later: Iterable[Kept]) -> Mapping[str, Sequence[Sequence[object]]]:
        """The file of that study's code, as `biasloop_images.biased.released.export`."""
        return released.export(self.config, name, setup, later)

    @cached_property
    def _chosen(self) -> int | None:
        """The class that is more frequent."""
        imbalance = self.config.imbalance
        return None if imbalance is None else class_id(imbalance.class_name, self._source.classes, self._name)

    @cached_property
    def _design(self) -> Design | None:
        """How data are biased."""
        return None if self.config.bias is None else Design.of(self.config.bias, self._source.classes)

    def _once(self, name: str, without: frozenset[str], build: Callable[[], T], *drawn: Streams) -> T:
        """What depends on settings, all but those `without`, and on streams that it is drawn from; shared in a plan."""
        # 1, 1.0 and True are three values
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING, *without}))
        leaking = self.config.data == sources.CLOTHING and self.config.compat == "released"
        return self._context.once(f"images.{name}", (made_from, leaking, *(streams.path for streams in drawn)), build)

    @cached_property
    def _data(self) -> Images:
        return self._once("data", settings.DRAWN, self._source.read)

    @property
    def _classes(self) -> tuple[str, ...]:
        """Names of what is learnt."""
        return self._source.classes if self._design is None else self._design.targets

    @property
    def _targets(self) -> Ints:
        """What is learnt of each image of the source data."""
        return self._data.labels if self._biased is None else self._biased.targets

    @cached_property
    def _told(self) -> Ints:
        """What humans say of each image of the source data."""
        if self.config.noise is None:
            return self._targets
        streams = self._context.streams.at("data", "noise")
        return noise.told(self.config, self._targets, self._splits, self._classes, streams)

    @cached_property
    def _stream(self) -> Stream | None:
        """What fits draw their batches from, if not the training set."""
        return Stream.made(self.config, self._classes, self._context.streams.at("data"))

    @cached_property
    def _grouping(self) -> Grouping | None:
        """What is balanced over, if not classes."""
        return Grouping.made(self.config, self._classes)

    @cached_property
    def _biased(self) -> Biased | None:
        design = self._design
        if design is None:
            return None
        streams = self._context.streams
        return self._once("biased", frozenset(), lambda: build(design, self._data.labels, self._drawn), streams)

    @cached_property
    def _pictures(self) -> tuple[Pictures, str]:
        """The images that the run uses, and what tells the data from other data."""
        splits = self._splits
        ids = np.sort(np.concatenate([splits.test, splits.holdout, splits.pool]))
        return pictures.of(self.config, self._data, ids, self._source, self._biased)

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_images.learner import Learner

        images, classes, context = self._pictures[0], len(self._classes), self._context
        return Learner(self.config, images, classes, context.device, context.threads, self._stream, context.data)

    @property
    def _splits(self) -> Splits:
        return self._drawn if self._biased is None else self._biased.splits

    @cached_property
    def _drawn(self) -> Splits:
        """Splits of the data as they come, with what has no label in the pool."""
        return self._once("drawn", settings.BIAS, self._draw, self._context.streams)

    def _draw(self) -> Splits:
        sources.check_classes(self._data, self._name)
        labels, classes, streams = self._data.labels, self._source.classes, self._context.streams.at("data")
        used = splitting.used(self.config, labels, classes, self._chosen, streams)
        drawn = splitting.Splitting(self.config, self._source, labels, used, self._stream)
        return drawn.draw(streams.at("split"))
