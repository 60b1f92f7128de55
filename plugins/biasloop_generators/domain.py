"""The domain "generators": generators of images and classifiers learn from the generation before them.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from biasloop.contract.batching import Star
from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Array, Arrays, Column, Frame, Ints, Metric, Page, Samples, Tables, Vocabularies
from biasloop.contract.domains import EPOCHS, Demands, Source
from biasloop.contract.names import (
    CONFIDENCE,
    GENERATOR,
    GROUP,
    GROUP_OF,
    IDS,
    POPULATION,
    PREDICTION,
    TARGET,
    TEST,
    VALID,
)
from biasloop.contract.published import Curve, Kept
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.fairness import margins
from biasloop_generators import config as settings
from biasloop_generators import kinds, released, sources
from biasloop_generators.measures import MARGIN, measure
from biasloop_generators.pictures import LABEL, SPLITS, Colored
from biasloop_generators.recipes import classifier_recipe, generator_recipe, is_summed, loss_of

if TYPE_CHECKING:
    from pathlib import Path

    from biasloop_generators.learner import Learner


class GeneratorsDomain:
    """Variational autoencoders, and classifiers of a label between groups.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.

    Raises:
        InvalidInput: if there are no such data or networks, or they do not fit each other.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._source = sources.source(config, context)

    def memory_settings(self) -> Sequence[str]:
        """Sizes of batches."""
        return ["domain.generator_batch", "domain.classifier_batch", "domain.evaluation_batch"]

    def requirements(self) -> list[Requirement]:
        """The data set, unless it is a person's own."""
        return self._source.requirements()

    def honours(self) -> frozenset[str]:
        """The end of every epoch of a classifier."""
        return frozenset({EPOCHS})

    def check(self, demands: Demands) -> None:
        """Refuse files that are not there, networks that do not fit them, and a device that is not there."""
        config, source = self.config, self._source
        source.check()
        kinds.check_generator(config.generator, source.side, config.latent, loss_of(config), config.data)
        kinds.check_classifier(config.classifier, source.side, config.data)
        if self._context.device not in {"auto", "cpu"}:
            from biasloop.training import device

            device.resolve(self._context.device)

    def environment(self) -> Mapping[str, str]:
        """What it computes on."""
        return self._learner.environment()

    def fingerprint(self) -> str:
        """A digest of images, labels and groups."""
        return f"{self.config.data}:{self._data.digest}"

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of the classes of the label and of each group."""
        return {name: Column.text(names) for name, names in zip(self._data.targets, self._data.classes, strict=True)}

    def targets(self) -> Mapping[str, int]:
        """The label, then groups, with their numbers of classes."""
        return dict(zip(self._data.targets, self._data.sizes, strict=True))

    def check_star(self, star: Star) -> None:
        """Refuse shares that are not as many as strata, and batches too small for one image of each."""
        count, samples = int(np.prod(self._data.sizes)), len(self._data.train)
        for recipe in (
            generator_recipe(self.config, samples, star=True),
            classifier_recipe(self.config, samples, star=True),
        ):
            if not any(star.quotas(recipe.batch_size, count)):
                raise InvalidInput(
                    f"a batch of {recipe.batch_size} is too small for STAR over {count} strata; set "
                    f"domain.generator_batch and domain.classifier_batch to {count} or more"
                )

    def references(self, work: Work) -> Tables:
        """Real images to evaluate on: ids, label, groups."""
        wanted = (TEST, VALID) if self.config.evaluate_on == "both" else (self.config.evaluate_on,)
        # The table "test" is what metrics without a prefix are of.
        return {(TEST if len(wanted) == 1 else name): self._table(name) for name in wanted}

    def _table(self, split: str) -> Frame:
        data, rows = self._data, getattr(self._data, split)
        columns = {
            IDS: Column(rows, role=IDS),
            TARGET: Column(data.labels[rows], role=TARGET, vocabulary=LABEL),
        }
        for column, name in enumerate(data.targets[1:]):
            columns[GROUP_OF + name] = Column(data.groups[rows, column], role=GROUP, vocabulary=name)
        return Frame(columns)

    def pictures(self, ids: Ints) -> Array:
        """Real images."""
        return np.asarray(self._data.images[ids])

    def page(self, count: int, work: Work) -> Page:
        """Training images drawn at random, and how many there are of each label and group in every split."""
        data = self._data
        rows = work.streams.order(data.train)[:count]
        counts = {name: data.counts(getattr(data, name)).reshape(data.sizes) for name in SPLITS}
        return Page(self.config.data, np.asarray(data.images[rows]), counts, data.targets, data.classes)

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Fairness of predictions, what a population is, how a generator ended: `biasloop_generators.measures`."""
        targets = self._source.targets
        classes = [vocabularies[name] for name in targets]
        return measure(tables, targets[1:], classes, summed=is_summed(loss_of(self.config)))

    def fit_annotator(self, target: str, work: Work) -> Any:
        """A classifier of a target, of real images."""
        return self._learner.annotator(target, work)

    def fit_generator(self, source: Source, work: Work) -> Any:
        """A new generator."""
        return self._learner.generator(source, work)

    def fit_classifier(self, source: Source, work: Work) -> Any:
        """A new classifier of the label."""
        return self._learner.classifier(source, work)

    def predict_classifier(self, classifier: Any, work: Work) -> Tables:
        """Predicted label, and by how much it leads, of every real image to evaluate on."""
        tables = {}
        for name, table in self.references(work).items():
            logits = self._learner.logits(classifier, table[IDS], work.at(name))
            prediction = Column(logits.argmax(1).astype(np.int64), role=PREDICTION, vocabulary=LABEL)
            lead = Column(margins(logits).astype(np.float32), role=CONFIDENCE)
            tables[name] = Frame({PREDICTION: prediction, MARGIN: lead})
        return tables

    def predict_annotator(self, target: str, annotator: Any, work: Work) -> Tables:
        """Predicted class of a target of every real image to evaluate on."""
        tables = {}
        for name, table in self.references(work).items():
            logits = self._learner.logits(annotator, table[IDS], work.at(name))
            prediction = logits.argmax(1).astype(np.int64)
            tables[name] = Frame({PREDICTION: Column(prediction, role=PREDICTION, vocabulary=target)})
        return tables

    def predict_population(self, generator: Any, labeller: Any, annotators: Sequence[Any], work: Work) -> Tables:
        """The table "population" of fresh samples, "samples", the first of them as pictures, and "generator"."""
        pictures, labels, groups = self._learner.population(generator, labeller, annotators[1:], work)
        columns = {LABEL: Column(labels.astype(np.int64), role=PREDICTION, vocabulary=LABEL)}
        for name, logits in zip(self._data.targets[1:], groups, strict=True):
            columns[GROUP_OF + name] = Column(logits.argmax(1).astype(np.int64), role=GROUP, vocabulary=name)
        columns[MARGIN] = Column(margins(groups[0]).astype(np.float32), role=CONFIDENCE)
        tables = {POPULATION: Frame(columns), "samples": Frame({"image": Column(pictures)})}
        if generator.last is not None:
            ended = {name: Column(np.array([value])) for name, value in vars(generator.last).items()}
            tables[GENERATOR] = Frame(ended)
        return tables

    def samples(self, generator: Any, count: int, work: Work) -> Array:
        """`(count, H, W, 3)` uint8 fresh samples of a generator."""
        return self._learner.samples(generator, count, work)

    def save(self, kind: str, model: Any) -> Arrays:
        """Parameters and buffers of a network by name."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> Any:
        """The network that was saved."""
        return self._learner.load(kind, arrays)

    def layout(self) -> str:
        """Of the published study of fairness feedback loops."""
        return "ffl"

    def export(self, name: str, setup: Kept, later: Iterable[Kept]) -> Mapping[str, Sequence[Sequence[object]]]:
        """The files of the published code, as `biasloop_generators.released.export`."""
        return released.export(self.config.data, self.split_of(TEST), name, setup, later)

    def split_of(self, table: str) -> str:
        """Of one table alone, which is always called "test", the split that is evaluated on."""
        return table if self.config.evaluate_on == "both" else self.config.evaluate_on

    def published_name(self, metric: str, metrics: Sequence[str]) -> tuple[str, str]:
        """As `biasloop_generators.released.published_name`."""
        return released.published_name(metric, metrics, self.split_of(TEST))

    def curves(self, directory: Path, split: str, name: str) -> Mapping[str, Curve]:
        """As `biasloop_generators.released.curves`."""
        return released.curves(directory, split, name)

    @cached_property
    def _data(self) -> Colored:
        made_from = repr(self.config.model_dump(exclude={*settings.TRAINING}))
        return self._context.once("generators.data", (made_from, self._context.streams.path), self._source.read)

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_generators.learner import Learner

        return Learner(self.config, self._data, self._context.device, self._context.threads)
