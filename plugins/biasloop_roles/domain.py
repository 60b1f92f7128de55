"""The domain "roles": a network says what happens in pictures and who takes part, and later networks learn from that.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from biasloop.contract.labels import ARGMAX, Cell, check_rule
from biasloop.contract.names import CONFIDENCE, IDS, TEST
from biasloop.lazy import numpy as np
from biasloop_roles import config as settings
from biasloop_roles import labels, measures, metrics, sources, splits
from biasloop_roles.gender import AGENT
from biasloop_roles.labels import FRAMES, NOUN_NAMES, NOUNS, PICTURE, VERB, Labels, named

if TYPE_CHECKING:
    from torch import nn

    from biasloop_roles.learner import Learner
    from biasloop_roles.sources import Situations

T = TypeVar("T")


class RolesDomain:
    """Visual role labelling: a verb for each picture, and a noun for each role of the verb.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context
        self._source = sources.of(config, context)

    def memory_settings(self) -> Sequence[str]:
        """Batches, then the size of images."""
        return ["domain.batch_size", "domain.evaluation_batch", "domain.side"]

    def requirements(self) -> list[Requirement]:
        """The data set and the weights to begin with, if they have to be fetched."""
        from biasloop.datasets.catalogue import requirement

        weights = [requirement(f"{self.config.network}-imagenet", self._context.data)] if self.config.pretrained else []
        return [*self._source.requirements(), *weights]

    def honours(self) -> frozenset[str]:
        """The end of every epoch, weights, and selection."""
        return frozenset({EPOCHS, WEIGHTS, SELECTION})

    def check(self, demands: Demands) -> None:
        """Refuse annotations, images and devices that are not there or do not fit."""
        if demands.label_by is not None:
            check_rule(demands.label_by, "roles")
        if self._context.device not in {"auto", "cpu"}:
            from biasloop.training import device

            device.resolve(self._context.device)
        if all(need.present for need in self._source.requirements()):
            sources.check_genders(self.config, self._situations.vocabulary, self._context)
            self._source.check(self._situations)
            if not self.config.skip_missing:
                _ = self._splits  # which says so

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def fingerprint(self) -> str:
        """Digests of annotations or drawings, and of image files."""
        return f"{self.config.data}:{self._source.fingerprint(self._situations)}"

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of verbs, roles and nouns, and which verb has which role."""
        return labels.names_of(self._situations.vocabulary)

    def splits(self) -> Splits:
        """As many pictures of each verb in the test set, some held out, the rest in the pool.

        Raises:
            InvalidInput: a verb has too few, or nothing is left.
        """
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """One frame of each picture, with confidence 1."""
        situations = self._situations
        return Labels(situations.verb[ids], situations.human[ids], np.ones(len(ids))).frame()

    def references(self, work: Work) -> Tables:
        """The table "test": verb, the nouns of one frame, and of all as annotated; of drawings which one it is."""
        ids, situations = self._splits.test, self._situations
        test = self.human_labels(ids).plus(Frame({
            IDS: Column(ids, role=IDS), FRAMES: Column(situations.frames[ids], vocabulary=NOUN_NAMES),
        }))  # fmt: skip
        drawings = {} if situations.picture is None else {PICTURE: Column(situations.picture[ids])}
        columns = {name: column for name, column in test.columns.items() if name != CONFIDENCE}
        return {TEST: Frame(columns | drawings)}

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Metrics of the table "test", as `biasloop_roles.metrics.measure`."""
        vocabulary, released = named(vocabularies), self.config.compat == "released"
        lists, share = sources.compared(self.config, vocabulary)
        return metrics.measure(tables[TEST], train, vocabulary, lists, share, released=released)

    def measure_labels(self, labels: Frame, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """Where shares of women are imposed, their polarisation."""
        vocabulary = named(vocabularies)
        return metrics.of_labels(*_pair(labels), vocabulary, *sources.compared(self.config, vocabulary))

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, trained on the samples' situations.

        Raises:
            Diverged: the loss is not finite.
            InvalidInput: there is not one batch to train on.
        """
        return self._learner.fit(train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """The table "test": the predicted situation, how probable it is, and the nouns for the true verb."""
        ids = self._splits.test
        nouns = self._learner.nouns_of(model, ids, self._situations.verb[ids])
        return {TEST: labels.predictions(self._learner.best(model, ids), nouns)}

    def label_rules(self) -> tuple[str, ...]:
        """The most probable situation, or one drawn with the probabilities: its verb, then each role."""
        from biasloop.contract.labels import SAMPLE

        return ARGMAX, SAMPLE

    def label(self, model: nn.Module, ids: Ints, by: str, work: Work) -> Frame:
        """Situations of pictures, with the probability of each; a drawn one depends on (stream, id).

        Raises:
            InvalidInput: if there is no such rule.
        """
        check_rule(by, "roles")
        if by == ARGMAX:
            return self._learner.best(model, ids).frame()
        return self._learner.drawn(model, ids, work.streams).frame()

    def losses(self, model: nn.Module, samples: Samples, work: Work) -> Floats:
        """`(rows,)` float64 minus log-probability of each situation, in evaluation mode, whatever it weighs."""
        return self._learner.losses(model, samples)

    def categories(self, samples: Samples) -> Ints:
        """`(rows,)` the verb of each label."""
        verb: Ints = samples.labels[VERB]
        return verb

    def category_names(self) -> Sequence[str]:
        """Verbs."""
        return self._situations.vocabulary.verbs

    def errors(self, given: Frame, truth: Frame) -> Floats:
        """`(rows,)` the share of each label that is wrong, of its verb and the roles of the true verb."""
        return measures.label_errors(self._situations.vocabulary, _pair(given), _pair(truth))

    def part_errors(self, given: Frame, truth: Frame) -> Mapping[str, Floats]:
        """`(rows,)` whether the verb is wrong, and the share of roles that are."""
        roles = measures.role_errors(self._situations.vocabulary, _pair(given), _pair(truth))
        return {"verb": measures.verb_errors(given[VERB], truth[VERB]), "roles": roles}

    def describe(self, ids: Ints, given: Frame) -> Sequence[Mapping[str, Cell]]:
        """The verb and the noun of each role, and of photographs which file it is."""
        rows, names = labels.described(self._situations.vocabulary, given), self._situations.names
        return [{"id": names[i], **row} for i, row in zip(ids, rows, strict=True)] if names else rows

    def pictures(self, ids: Ints) -> Array:
        """Pictures, as large as models see them."""
        return sources.ordered(self._images, ids)

    def page(self, count: int, work: Work) -> Page:
        """Pictures of the pool drawn at random, and how many men and women take part in each verb in every split."""
        pool, situations = self._splits.pool, self._situations
        chosen = work.streams.order(pool)[:count]
        images = sources.ordered(self._images, chosen)
        parts = {"pool": pool, "holdout": self._splits.holdout, TEST: self._splits.test}
        lists, _ = sources.compared(self.config, situations.vocabulary)
        counts, agents = metrics.agents_by_verb(
            situations.vocabulary,
            lists,
            {part: (situations.verb[ids], situations.human[ids]) for part, ids in parts.items()},
        )
        return Page(self.config.data, images, counts, (VERB, AGENT), (situations.vocabulary.verbs, agents))

    def has_dropout(self) -> bool:
        """Whether the network leaves anything out: the published ones do."""
        return self.config.network != settings.SMALL

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of the network by name."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(arrays)

    def _once(self, name: str, build: Callable[[], T], *drawn: str) -> T:
        """What depends on settings but for those of training, and on what it is drawn from; shared in a plan."""
        made_from = repr(self.config.model_dump(exclude=set(settings.TRAINING)))
        return self._context.once(f"roles.{name}", (made_from, *drawn), build)

    @cached_property
    def _situations(self) -> Situations:
        return self._once("situations", self._source.read, str(self._context.streams.path))

    @cached_property
    def _splits(self) -> Splits:
        return self._once("splits", self._split, str(self._context.streams.path))

    def _split(self) -> Splits:
        drawn, count = self._source.splits(self._situations), self.config.holdout
        return splits.held_out(drawn, self._context.streams.at("data", "holdout"), count) if count else drawn

    @cached_property
    def _images(self) -> sources.Images:
        parts = self._splits
        used = np.sort(np.concatenate([parts.test, parts.holdout, parts.pool]))
        streams = str(self._context.streams.path)
        return self._once("images", lambda: self._source.images(self._situations, used), streams)

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_roles.learner import Learner

        return Learner(self.config, self._situations.vocabulary, self._images, self._context)


def _pair(given: Frame) -> tuple[Ints, Ints]:
    """Verbs `(n,)` and nouns `(n, MOST_ROLES)`."""
    return given[VERB], given[NOUNS]
