"""The domain "clip": a generator makes pictures from captions, and CLIP learns from pictures, some of them its.

No torch here: it is imported with the learner, by the methods that compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.contract.context import Context, Requirement, Work
from biasloop.contract.data import (
    Array,
    Arrays,
    Column,
    Frame,
    Ints,
    Metric,
    Page,
    Samples,
    Splits,
    Tables,
    Vocabularies,
)
from biasloop.contract.domains import EPOCHS, INPUTS, WEIGHTS, Demands
from biasloop.contract.labels import Cell
from biasloop.contract.names import EMBEDDING, GROUP, IDS, TARGET, TEST
from biasloop.lazy import numpy as np
from biasloop_clip import config as settings
from biasloop_clip import generated, measures, pictures
from biasloop_clip.captions import GENDERS, NOT_SAID, TONES, caption
from biasloop_clip.measures import CAPTION, CAPTIONS, DRAWING, GALLERY, SHARE
from biasloop_clip.pictures import GENDER, ROLE, TONE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import nn

    from biasloop.contract.encoding import Encoder, EncoderSettings
    from biasloop.contract.illustrating import Illustrator, PipelineSettings
    from biasloop_clip.learner import Learner
    from biasloop_clip.pictures import CaptionedPictures


class ClipDomain:
    """Pictures of people in roles with captions, CLIP, and a generator of pictures.

    Args:
        config: the `[domain]` table.
        context: data directory, streams, device.
    """

    Config = settings.Config

    def __init__(self, config: settings.Config, context: Context) -> None:
        self.config = config
        self._context = context

    @staticmethod
    def illustrator(settings: PipelineSettings) -> Illustrator:
        """A pipeline of diffusers."""
        from biasloop_clip.pipelines import DiffusersIllustrator

        return DiffusersIllustrator(settings)

    @staticmethod
    def encoder(settings: EncoderSettings) -> Encoder:
        """A model of open_clip."""
        from biasloop_clip import encoding

        return encoding.load(settings)

    def memory_settings(self) -> Sequence[str]:
        """Sizes of batches; that of training is part of CLIP's loss."""
        return ["domain.evaluation_batch"]

    def requirements(self) -> list[Requirement]:
        """None: the drawings come with biasloop."""
        return []

    def honours(self) -> frozenset[str]:
        """The end of every epoch, weights, and pictures that a generator made."""
        return frozenset({EPOCHS, INPUTS, WEIGHTS})

    def check(self, demands: Demands) -> None:
        """Refuse a device that is not there, and a corpus of fewer pairs than a batch."""
        config = self.config
        if self._context.device not in {"auto", "cpu"}:
            from biasloop.training import device

            device.resolve(self._context.device)
        pool = config.pictures.roles * config.pictures.pool
        for name, size in (("batch_size", config.batch_size), ("maker.batch_size", config.maker.batch_size)):
            if size > pool:
                from biasloop.errors import InvalidInput

                raise InvalidInput(f"domain.{name} is {size}, and the pool has {pool} pictures; set {pool} or less")

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
        """A digest of drawings, captions and splits."""
        return f"{self.config.data}:{self._data.digest}"

    def vocabularies(self) -> Mapping[str, Column]:
        """Names of roles, genders and skin tones."""
        names = {pictures.ROLES: self._data.roles, pictures.GENDERS: GENDERS, pictures.TONES: TONES}
        return {name: Column.text(rows) for name, rows in names.items()}

    def splits(self) -> Splits:
        """Test set and pool, with no drawing in common."""
        return self._data.splits

    def human_labels(self, ids: Ints) -> Frame:
        """What captions say: role, and gender and skin tone, or -1 where a caption says neither."""
        return self._data.labels(ids)

    def references(self, work: Work) -> Tables:
        """The table "test" of pictures, and "captions": a neutral one of each role, then those of the test set."""
        ids, data = self._data.splits.test, self._data
        role, gender, tone = data.facts(ids).T
        asked, caption_of = self._captions
        test = Frame({
            IDS: Column(ids, role=IDS),
            ROLE: Column(role, role=TARGET, vocabulary=pictures.ROLES),
            GENDER: Column(gender, role=GROUP, vocabulary=pictures.GENDERS),
            TONE: Column(tone, role=GROUP, vocabulary=pictures.TONES),
            DRAWING: Column(data.drawing(ids)),
            GALLERY: Column(data.variant(ids)),
            CAPTION: Column(caption_of),
        })  # fmt: skip
        captions = Frame({
            ROLE: Column(asked[:, 0].copy(), vocabulary=pictures.ROLES),
            GENDER: Column(asked[:, 1].copy(), vocabulary=pictures.GENDERS),
            TONE: Column(asked[:, 2].copy(), vocabulary=pictures.TONES),
            SHARE: Column(data.share[asked[:, 0]]),
        })  # fmt: skip
        return {TEST: test, CAPTIONS: captions}

    def measure(self, tables: Tables, train: Samples, vocabularies: Vocabularies) -> Mapping[str, Metric]:
        """As `biasloop_clip.measures`."""
        return measures.measure(tables, train)

    def fit(self, train: Samples, work: Work) -> nn.Module:
        """A new CLIP, of pairs of pictures, the samples' own or generated ones, and captions.

        Raises:
            Diverged: the loss is not finite.
            InvalidInput: there is not one batch to train on.
        """
        return self._learner.fit(train, work)

    def predict(self, model: nn.Module, work: Work) -> Tables:
        """Embeddings of the test set's pictures and captions, of unit length."""
        of_pictures = self._learner.embedded(model, self._data.splits.test)
        of_captions = self._learner.embedded_captions(model, self._captions[0])
        return {
            TEST: Frame({EMBEDDING: Column(of_pictures, role=EMBEDDING)}),
            CAPTIONS: Frame({EMBEDDING: Column(of_captions, role=EMBEDDING)}),
        }

    def fit_maker(self, train: Samples, work: Work) -> nn.Module:
        """A new generator, of pictures, the samples' own or an earlier generator's, and captions.

        Raises:
            Diverged: the loss is not finite.
            InvalidInput: there is not one batch to train on.
        """
        return self._learner.fit_maker(train, work)

    def make(self, maker: nn.Module, ids: Ints, work: Work) -> Frame:
        """Pictures for the captions of ids, as principal components; each depends on (stream, id) alone."""
        from biasloop_clip.learner import CODE

        guidance = self.config.maker.guidance
        codes = self._learner.make(maker, self._data.captions(ids), ids, guidance, work)
        return Frame({CODE: Column(codes)})

    def predict_maker(self, maker: nn.Module, work: Work) -> Tables:
        """Fresh pictures, real ones and the test set as a classifier reads them; and a picture of each role."""
        return generated.tables(self._learner, maker, work)

    def samples(self, maker: nn.Module, count: int, work: Work) -> Array:
        """`(count, H, W, 3)` uint8 pictures for captions drawn from the pool."""
        pool = self._data.splits.pool
        turns = np.arange(count)
        ids = pool[(work.streams.at("caption").uniform(turns)[:, 0] * len(pool)).astype(np.int64)]
        codes = self._learner.make(maker, self._data.captions(ids), turns, self.config.maker.guidance, work)
        return self._learner.decoded(codes)

    def describe(self, ids: Ints, labels: Frame) -> Sequence[Mapping[str, Cell]]:
        """Captions."""
        said = zip(*(labels[name].tolist() for name in (ROLE, GENDER, TONE)), strict=True)
        return [{"caption": caption(self._data.roles[role], gender, tone)} for role, gender, tone in said]

    def pictures(self, ids: Ints) -> Array:
        """Drawings of the data."""
        return self._data.render(ids)

    def page(self, count: int, work: Work) -> Page:
        """Pictures of the pool drawn at random, and how many men and women of each role are in either split."""
        data, splits = self._data, self._data.splits
        chosen = work.streams.order(splits.pool)[:count]
        counts = {}
        for name, ids in (("pool", splits.pool), (TEST, splits.test)):
            role, gender, _ = data.facts(ids).T
            counts[name] = np.zeros((len(data.roles), len(GENDERS)), np.int64)
            np.add.at(counts[name], (role, gender), 1)
        return Page(self.config.data, data.render(chosen), counts, (ROLE, GENDER), (data.roles, GENDERS))

    def save(self, kind: str, model: nn.Module) -> Arrays:
        """Parameters and buffers of a network by name."""
        return self._learner.save(model)

    def load(self, kind: str, arrays: Arrays) -> nn.Module:
        """The network that was saved."""
        return self._learner.load(kind, arrays)

    @cached_property
    def _captions(self) -> tuple[Ints, Ints]:
        """`(m, 3)` captions, neutral ones first, and `(test,)` which one is of each test picture."""
        roles = np.arange(len(self._data.roles))
        neutral = np.full((len(roles), 3), NOT_SAID, np.int64)
        neutral[:, 0] = roles
        explicit, of_test = np.unique(self._data.facts(self._data.splits.test), axis=0, return_inverse=True)
        return np.concatenate([neutral, explicit]), len(roles) + of_test.ravel()

    @property
    def _made_from(self) -> str:
        return repr((self.config.model_dump(include=set(settings.DATA)), self._context.streams.path))

    @cached_property
    def _data(self) -> CaptionedPictures:
        return self._context.once(
            "clip.data", self._made_from, lambda: pictures.pictures(self.config.pictures, self._context.streams)
        )

    @cached_property
    def _learner(self) -> Learner:
        from biasloop_clip.learner import Learner

        return Learner(self.config, self._data, self._context, self._made_from)
