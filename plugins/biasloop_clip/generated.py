"""Fresh pictures of a generator, and who is in them, as tables; NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Frame
from biasloop.contract.names import PREDICTION
from biasloop.lazy import numpy as np
from biasloop_clip.captions import NOT_SAID
from biasloop_clip.pictures import GENDER, GENDERS, ROLE, ROLES, TONE, TONES

if TYPE_CHECKING:
    from typing import Any

    from biasloop.contract.context import Work
    from biasloop.contract.data import Array, Bools, Ints, Tables
    from biasloop_clip.config import MeasureSettings
    from biasloop_clip.learner import Learner
    from biasloop_clip.pictures import CaptionedPictures

GENERATED, REAL, READ = "generated", "real", "read"
"""Tables: fresh pictures; some of the pool's own; those of the test set, as the reader sees them."""
GUIDANCE, READ_GENDER, READ_ROLE, AMONG = "guidance", "read_gender", "read_role", "among"
SAMPLES, IMAGE = "samples", "image"


def captions(data: CaptionedPictures, settings: MeasureSettings) -> Ints:
    """`(n, 3)` captions to make pictures for: neutral ones of every role, then explicit ones of either gender.

    Explicit ones take the skin tones of the pool in turn, as its captions do: tones of the test set no generator knows.
    """
    roles = np.arange(len(data.roles))
    neutral = np.full((len(roles) * settings.neutral, 3), NOT_SAID, np.int64)
    neutral[:, 0] = np.repeat(roles, settings.neutral)
    tones = np.concatenate([np.resize(np.flatnonzero(~data.tested[role]), settings.explicit) for role in roles])
    explicit = [
        np.stack([np.repeat(roles, settings.explicit), np.full(len(tones), gender), tones], 1) for gender in (0, 1)
    ]
    return np.concatenate([neutral, *explicit])


def tables(learner: Learner, maker: Any, work: Work) -> Tables:
    """What fresh pictures of a generator look like to the reader."""
    data, settings = learner.data, learner.config.measures
    asked = captions(data, settings)
    neutral = asked[:, 1] == NOT_SAID
    real = np.sort(work.streams.at("real").order(data.splits.pool)[: int(neutral.sum())])
    of_real = learner.read(learner.coded(real))
    parts, covered = [], []
    for guidance in settings.guidance:
        # The same noise at every guidance, so that what differs is due to it.
        codes = learner.make(maker, asked, np.arange(len(asked)), guidance, work.at("noise"))
        gender, role, features = learner.read(learner.decoded(codes))
        lies, covers = _compared(features[neutral], of_real[2], settings.neighbours)
        among = np.zeros(len(asked), np.bool_)
        among[neutral] = lies
        parts.append(_generated(asked, guidance, gender, role, among))
        covered.append(covers)
    test = data.splits.test
    return {
        GENERATED: Frame.join(parts),
        REAL: _seen(data.facts(real), *of_real[:2]).plus(Frame({AMONG: Column(np.stack(covered, 1))})),
        READ: _seen(data.facts(test), *learner.read(learner.coded(test))[:2]),
        SAMPLES: _samples(learner, maker, work.at(SAMPLES)),
    }


def _compared(made: Array, real: Array, neighbours: int) -> tuple[Bools, Bools]:
    """Which pictures lie among real ones, and which real ones among them."""
    from biasloop_clip.reading import within

    return within(made, real, neighbours), within(real, made, neighbours)


def _generated(asked: Ints, guidance: float, gender: Ints, role: Ints, among: Bools) -> Frame:
    return Frame({
        ROLE: Column(asked[:, 0].copy(), vocabulary=ROLES),
        GENDER: Column(asked[:, 1].copy(), vocabulary=GENDERS),
        TONE: Column(asked[:, 2].copy(), vocabulary=TONES),
        GUIDANCE: Column(np.full(len(asked), guidance)),
        READ_GENDER: Column(gender, role=PREDICTION, vocabulary=GENDERS),
        READ_ROLE: Column(role, role=PREDICTION, vocabulary=ROLES),
        AMONG: Column(among),
    })  # fmt: skip


def _seen(facts: Ints, gender: Ints, role: Ints) -> Frame:
    return Frame({
        ROLE: Column(facts[:, 0].copy(), vocabulary=ROLES),
        GENDER: Column(facts[:, 1].copy(), vocabulary=GENDERS),
        READ_GENDER: Column(gender, role=PREDICTION, vocabulary=GENDERS),
        READ_ROLE: Column(role, role=PREDICTION, vocabulary=ROLES),
    })  # fmt: skip


def _samples(learner: Learner, maker: Any, work: Work) -> Frame:
    """A picture for the neutral caption of each role, as it would be fed back."""
    roles = np.arange(len(learner.data.roles))
    asked = np.stack([roles, *[np.full_like(roles, NOT_SAID)] * 2], 1)
    codes = learner.make(maker, asked, roles, learner.config.maker.guidance, work)
    return Frame({ROLE: Column(roles, vocabulary=ROLES), IMAGE: Column(learner.decoded(codes))})
