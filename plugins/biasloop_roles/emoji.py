"""Situations of the pictures that come with biasloop, in which the share of women of each role is imposed.

A verb is a role of the pictures ("cook", "rowing boat"). It has two roles of its own: `agent`, which is man or woman,
and `skin`, which is none, light (skin tones 1 and 2), medium (3) or dark (4 and 5). A sample is a variant of a base
picture: that picture at a place, in a size, with a tint and on a background, which are drawn by picture and variant
alone. So ids mean the same, and have the same pixels, for every seed.

Which share of women a verb has is part of the data: verbs, by the alphabet, take `shares` in turn. Which base pictures
are for testing a run's seed decides: of each verb two skin tones, one light and one dark, the same of both genders. So
pool and test set have no base picture in common, and the pool still has a light and a dark picture of either gender;
but no test picture has the nouns none and medium. The six pictures of a role and gender are the six tones, so that a
drawing is never another one of the same tone: of skin nothing can be said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from biasloop.contract.data import Splits
from biasloop.contract.names import TEST
from biasloop.datasets import emoji_roles
from biasloop.datasets.emoji_variants import FORM, Ranges, render
from biasloop.datasets.images import digest_of
from biasloop.lazy import numpy as np
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Floats, Ints
    from biasloop.contract.randomness import Streams
    from biasloop.datasets.emoji_roles import EmojiRoles
    from biasloop.datasets.images import Pixels

AGENT, SKIN = "agent", "skin"
MAN, WOMAN = "man", "woman"
SKINS = ("none", "light", "medium", "dark")
SKIN_OF_TONE = (0, 1, 1, 2, 3, 3)
"""Which of `SKINS` each skin tone is."""
LIGHT_TONES, DARK_TONES = (1, 2), (4, 5)


class EmojiSettings(BaseModel):
    """How many samples there are, and how many of them are women."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    pool: int = Field(270, ge=1, le=5000, description="Samples of each verb in the pool.")
    test: int = Field(50, ge=1, le=5000, description="Samples of each verb in the test set.")
    shares: list[float] = Field(
        default_factory=lambda: [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9],
        min_length=1,
        description="Shares of women, which verbs take in turn; of `pool` and of `test` each must be a whole number.",
    )
    canvas: int = Field(32, ge=16, le=256, description="Height and width of a sample in pixels.")
    smallest: float = Field(
        0.8, ge=0.25, le=1, description="Height and width of a picture are drawn from this share of the canvas to all."
    )
    dimmest: float = Field(
        0.5, ge=0, le=1, description="Each channel of a picture is multiplied by a number that is drawn from this to 1."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for share, name in itertools.product(self.shares, ("pool", TEST)):
            count = getattr(self, name)
            if not 0 <= share <= 1 or (Fraction(str(share)) * count).denominator != 1:
                raise ValueError(
                    f"a share of women of {share} is no whole number of {count} samples of a verb ({name}); shares are "
                    "from 0 to 1, and with shares in tenths pool and test are multiples of 10"
                )
        return self

    def women(self, count: int) -> list[int]:
        """Women among that many samples of a verb (`pool` or `test`), for each of `shares`."""
        return [int(Fraction(str(share)) * count) for share in self.shares]


@dataclass(frozen=True, eq=False)
class EmojiSituations:
    """All samples of some settings; a run uses those of its splits.

    Attributes:
        settings: as above.
        vocabulary: of verbs, roles and nouns.
        verb: `(N,)` int64.
        frames: `(N, 1, MOST_ROLES)` int64 nouns of the verb's roles, agent and skin, then `PADDING`.
        picture: `(N,)` int64 the base picture, its number in the file: what intervals are clustered by.
        variant: `(N,)` int64 the number of the variant of its base picture, from 0.
        share: `(verbs,)` float64 share of women that is imposed.
        left_out: names of roles that are not drawn as man and woman in every tone.
    """

    settings: EmojiSettings
    vocabulary: Vocabulary
    verb: Ints
    frames: Ints
    picture: Ints
    variant: Ints
    share: Floats
    left_out: tuple[str, ...]
    _drawn: EmojiRoles = field(repr=False)

    def __len__(self) -> int:
        return len(self.verb)

    @property
    def woman(self) -> Ints:
        """`(N,)` int64, 1 of a woman and 0 of a man."""
        return self._drawn.woman[self.picture]

    @cached_property
    def digest(self) -> str:
        """Tells these samples from any others: the pictures, what is made of them, and how."""
        drawn = self._drawn
        settings = self.settings
        look = np.array([FORM, settings.canvas, settings.smallest, settings.dimmest])
        return digest_of(
            drawn.images, drawn.role, drawn.woman, drawn.tone, self.verb, self.picture, self.variant, self.share, look
        )

    def splits(self, streams: Streams) -> Splits:
        """Test set and pool, which have no base picture in common; the same two test tones for men and women.

        Args:
            streams: of the run's data.
        """
        verbs = np.arange(len(self.share))
        second = (streams.at("test tones").uniform(verbs, 2) >= 0.5).astype(np.int64)  # (verbs, 2) which tone of two
        tones = np.stack([np.array(LIGHT_TONES)[second[:, 0]], np.array(DARK_TONES)[second[:, 1]]], 1)  # (verbs, 2)
        tested = (tones[self.verb] == self._drawn.tone[self.picture][:, None]).any(1)  # (N,)
        return Splits(
            test=self._chosen(np.flatnonzero(tested), self.settings.test),
            pool=self._chosen(np.flatnonzero(~tested), self.settings.pool),
        )

    def render(self, ids: Ints) -> Pixels:
        """`(n, canvas, canvas, 3)` uint8 samples of these ids, in their order; each depends on its id alone."""
        return render(self._drawn.images, self.picture[ids], self.variant[ids], self._ranges)

    @property
    def _ranges(self) -> Ranges:
        return Ranges(self.settings.canvas, self.settings.smallest, self.settings.dimmest)

    def _chosen(self, ids: Ints, count: int) -> Ints:
        """Of these samples those of `count` a verb in which the imposed shares are women, over all base pictures.

        Args:
            ids: candidates, ascending.
            count: samples of a verb.

        Returns:
            `(verbs * count,)` ascending ids.
        """
        women = np.resize(self.settings.women(count), len(self.share))  # (verbs,)
        wanted = np.stack([count - women, women], 1).ravel()  # (verbs * 2,) samples of each stratum (verb, woman)
        stratum = self.verb[ids] * 2 + self.woman[ids]
        order = np.lexsort((self.picture[ids], self.variant[ids], stratum))  # the first variant of each picture first
        sorted_strata = stratum[order]
        rank = np.arange(len(ids)) - np.searchsorted(sorted_strata, sorted_strata)
        return np.sort(ids[order[rank < wanted[sorted_strata]]])


def situations(settings: EmojiSettings) -> EmojiSituations:
    """The samples of all roles that are drawn as man and woman in every skin tone.

    Raises:
        DownloadError: the file, which comes with biasloop, is damaged or missing.
    """
    drawn = emoji_roles.pictures()
    drawings = drawn.drawings()
    complete: Bools = np.all(drawings > 0, axis=(1, 2))  # (roles,)
    verbs = [name for name, all_there in zip(drawn.roles, complete, strict=True) if all_there]
    variants = _variants(settings, drawings[complete].min(2))  # (verbs, 2)
    verb_of = np.cumsum(complete) - 1  # (roles,) of complete ones

    usable = np.flatnonzero(complete[drawn.role])  # (base pictures,)
    repeats = variants[verb_of[drawn.role[usable]], drawn.woman[usable]]  # (base pictures,)
    picture = np.repeat(usable, repeats)  # (N,)
    variant = np.arange(len(picture)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    vocabulary = _vocabulary(verbs)
    frames = np.full((len(picture), 1, MOST_ROLES), PADDING, np.int64)
    genders, skins = (np.array([vocabulary.nouns.index(noun) for noun in nouns]) for nouns in ((MAN, WOMAN), SKINS))
    frames[:, 0, 0] = genders[drawn.woman[picture]]
    frames[:, 0, 1] = skins[np.array(SKIN_OF_TONE)[drawn.tone[picture]]]
    return EmojiSituations(
        settings, vocabulary, verb_of[drawn.role[picture]], frames, picture, variant,
        np.resize(np.array(settings.shares, np.float64), len(verbs)),
        tuple(name for name, all_there in zip(drawn.roles, complete, strict=True) if not all_there), drawn,
    )  # fmt: skip


def _variants(settings: EmojiSettings, drawings: Ints) -> Ints:
    """How many variants every base picture of a verb and gender has, so that there are enough of either split.

    Args:
        settings: of the data.
        drawings: `(verbs, 2)` base pictures of a verb and gender in each skin tone.

    Returns:
        `(verbs, 2)` counts.
    """
    needed = np.zeros_like(drawings)
    for count, tones in ((settings.pool, emoji_roles.TONES - 2), (settings.test, 2)):
        women = np.resize(settings.women(count), len(drawings))
        of_gender = np.stack([count - women, women], 1)  # (verbs, 2)
        needed = np.maximum(needed, -(-of_gender // (tones * drawings)))
    return needed


def _vocabulary(verbs: Sequence[str]) -> Vocabulary:
    """Every verb has both roles, and a role every one of its nouns."""
    genders = [{AGENT: agent, SKIN: SKINS[0]} for agent in (MAN, WOMAN)]
    return Vocabulary.of((verb, [*genders, *({AGENT: MAN, SKIN: skin} for skin in SKINS)]) for verb in verbs)
