"""The domain "clip-shards": CLIP learns from originals and generated pictures in shards, under the rule `mixing`.

Pictures are prepared, so no generator learns in a run: it is a domain of its own, since what a domain can do is a
matter of its class. No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import Arrays, Column, Frame, Ints, Metric, Samples, Splits, Tables, Vocabularies
from biasloop.contract.domains import EPOCHS, INPUTS, WEIGHTS, Demands
from biasloop.contract.labels import Cell
from biasloop.contract.launching import Corpus, Launch
from biasloop.contract.names import EMBEDDING, GROUP, IDS, TEST
from biasloop.datasets.gender_words import GROUPS
from biasloop.errors import InvalidInput, Mismatch
from biasloop.lazy import numpy as np
from biasloop_clip import pairs as sources
from biasloop_clip import shards_config as settings
from biasloop_clip import shards_measures as measures
from biasloop_clip.shards_measures import OF_CAPTION, OF_PICTURE, WORDS

if TYPE_CHECKING:
    from torch import nn

    from biasloop.contract.encoding import Encoder, EncoderSettings
    from biasloop_clip.pairs import Pairs
    from biasloop_clip.shards_learner import Learner

_GENDER_WORDS = "gender_words"  # vocabulary


class ShardsDomain:
    """Pairs of pictures and captions in shards, and networks of open_clip.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context

    @staticmethod
    def launch(engine: str, config: settings.Config, corpus: Corpus) -> Launch:
        """The command of open_clip's own trainer."""
        from biasloop_clip import stock_trainer

        return stock_trainer.launch(engine, config, corpus)

    def memory_settings(self) -> Sequence[str]:
        """Sizes of batches; that of training is part of the loss."""
        return ["domain.evaluation_batch"]

    def requirements(self) -> list[Requirement]:
        """The data sets that have to be fetched."""
        return sources.requirements(self.config, self._context)

    def honours(self) -> frozenset[str]:
        """The end of every epoch, weights, and generated pictures."""
        return frozenset({EPOCHS, INPUTS, WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse a device, network, weights or shards that are not there, and a pool of fewer pairs than a batch.

        Raises:
            Mismatch: nothing is trained, and the run asks for what training alone gives.
        """
        from biasloop_clip import towers

        if self._context.device not in {"auto", "cpu"}:
            from biasloop.training import device

            device.resolve(self._context.device)
        towers.check(self.config.network)
        self._check_weights()
        if not self.config.epochs:
            self._check_untrained(demands)
        elif all(need.present for need in self.requirements()):
            pool = len(self._splits.pool)
            if self.config.batch_size > pool:
                raise InvalidInput(
                    f"domain.batch_size is {self.config.batch_size}, and the pool has {pool} keys; set {pool} or less"
                )

    def _check_weights(self) -> None:
        """Refuse weights that are not there; those that will be fetched are told."""
        from biasloop_clip import published

        name, weights = self.config.network, self.config.weights
        if weights is None:
            return
        offline = published.offline()
        published.check(name, weights)
        if offline:
            published.require(name, weights)
        elif (command := published.to_fetch(name, weights)) is not None:
            self._context.on_note(f"the run fetches the weights {name}:{weights} when it begins; before it: {command}")

    def _check_untrained(self, demands: Demands) -> None:
        """Nothing is learnt in no epoch: neither generated pictures nor ends of epochs make a difference."""
        asked = {INPUTS: "loop.share = 0", EPOCHS: "no loop.snapshots"}
        for name in sorted(demands.honoured & set(asked)):
            raise Mismatch(f"domain.epochs is 0, so that nothing is trained; set {asked[name]}, or more epochs")

    def environment(self) -> Mapping[str, str]:
        """What it computes on: results are the same bits only on the same."""
        return self._learner.environment()

    def lead(self) -> AbstractContextManager[None]:
        """In the first of several processes: inside, the others help with every fit."""
        from biasloop.training import distributed

        return distributed.leading(self._context.device)

    def follow(self) -> None:
        """In another process: helps with the fits of the first until that one is done."""
        from biasloop.training import common_fits

        common_fits.follow(self, self._context)

    def fingerprint(self) -> str:
        """How many keys, and a digest of keys, shards and their manifests; and one of a file of weights."""
        from biasloop_clip import published

        data, weights = f"shards:{len(self._pairs.ids)}:{self._pairs.digest}", self.config.weights
        path = None if weights is None else published.file_of(self.config.network, weights)
        if path is None:
            return data
        with path.open("rb") as file:
            return f"{data} weights:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def vocabularies(self) -> Mapping[str, Column]:
        """Groups of captions by gender words."""
        return {_GENDER_WORDS: Column.text(GROUPS)}

    def splits(self) -> Splits:
        """Keys that are held out, and the rest."""
        return self._splits

    def human_labels(self, ids: Ints) -> Frame:
        """Which gender words a caption has; the caption itself is read from its shard by the id, which is its key."""
        return Frame({WORDS: Column(self._pairs.words_of(ids), role=GROUP, vocabulary=_GENDER_WORDS)})

    def references(self, work: Work) -> Tables:
        """The table "test": ids, and gender words of captions."""
        ids = self._splits.test
        return {TEST: Frame({IDS: Column(ids, role=IDS)}).plus(self.human_labels(ids))}

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """As `biasloop_clip.shards_measures`."""
        return measures.measure(tables, train if self.config.epochs else None)

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new network, of pairs of pictures, the samples' own or generated ones, and captions.

        Raises:
            Diverged: the loss is not finite.
            InvalidInput: there is not one batch to train on, or the network cannot be built.
            DamagedShard: a picture or caption cannot be read.
        """
        return self._learner.fit(train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """Embeddings of the originals and captions of the test set, of unit length."""
        ids, learner = self._splits.test, self._learner
        of_pictures, of_captions = learner.embedded(model, ids), learner.embedded_captions(model, ids)
        columns = {OF_PICTURE: of_pictures, OF_CAPTION: of_captions}
        return {TEST: Frame({name: Column(values, role=EMBEDDING) for name, values in columns.items()})}

    def make(self, maker: None, ids: Ints, work: Work) -> Frame:
        """Keys of the prepared pictures, which are the samples' own keys."""
        return Frame({sources.PICTURE: Column(np.array(ids, np.int64))})

    def describe(self, ids: Ints, labels: Frame) -> Sequence[Mapping[str, Cell]]:
        """Captions."""
        return [{"caption": text} for text in self._pairs.captions(ids)]

    def texts(self, ids: Ints) -> Sequence[str]:
        """Captions."""
        return list(self._pairs.captions(ids))

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of a network by name."""
        from biasloop_clip import shards_learner

        return shards_learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        from biasloop_clip import shards_learner

        return shards_learner.load(self.config, arrays, self._context.device)

    def fitted_encoder(self, model: nn.Module, settings: EncoderSettings) -> Encoder:
        """A network with the tokenizer and preprocessing that it was fitted with."""
        from biasloop_clip import encoding

        return encoding.fitted(self.config.network, model, settings)

    @cached_property
    def _pairs(self) -> Pairs:
        made_from = (self.config.originals, self.config.pictures)
        return self._context.once("clip.pairs", made_from, lambda: sources.read(self.config, self._context))

    @cached_property
    def _splits(self) -> Splits:
        return self._pairs.splits(self.config.test, self._context.streams.at("split"))

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_clip.shards_learner import Learner

        return Learner(self.config, self._pairs, self._context)
