"""Pictures of people in roles with captions: half of the roles mostly men's, half mostly women's, exactly so.

A sample is a variant of a drawing (`biasloop.datasets.emoji_variants`); its id says which, so ids mean the same, and
have the same pixels, for every seed. A run's seed decides three things. Which roles are mostly men's, so that what a
role looks like does not stand for a gender in a mean over seeds. Which two of the six skin tones of a role are for
testing, the same of both genders, and over all roles each tone as often: pool and test set have no drawing in common,
and in the pool as in the test set tones are uniform. And which half of the captions of a role and gender say gender and
skin tone; the other half say neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Frame, Splits
from biasloop.contract.names import TARGET
from biasloop.datasets import emoji_roles
from biasloop.datasets.emoji_variants import FORM, Ranges, render
from biasloop.datasets.images import digest_of
from biasloop.lazy import numpy as np
from biasloop_clip.captions import NOT_SAID
from biasloop_clip.config import PictureSettings

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Floats, Ints
    from biasloop.contract.randomness import Streams
    from biasloop.datasets.emoji_roles import EmojiRoles
    from biasloop.datasets.images import Pixels

ROLE, GENDER, TONE = "role", "gender", "tone"
ROLES, GENDERS, TONES = "roles", "genders", "tones"  # vocabularies
_VARIANTS = 10_000  # of a drawing: an id is drawing * _VARIANTS + variant
_FOR_READER = 5_000  # the first variant of those that are in neither pool nor test set
_TEST_TONES = ((0, 3), (1, 4), (2, 5))


@dataclass(frozen=True, eq=False)
class CaptionedPictures:
    """All pictures of some settings and a seed.

    Attributes:
        settings: how many, and how large.
        streams: of the run's data.
        drawn: the drawings.
    """

    settings: PictureSettings
    streams: Streams
    drawn: EmojiRoles

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Names, evenly taken from those that are drawn as man and woman in every skin tone."""
        return tuple(self.drawn.roles[number] for number in self._role_numbers)

    @cached_property
    def share(self) -> Floats:
        """`(roles,)` share of women in the pool: `majority` or what is left of it."""
        order = self.streams.at("majority").order(np.arange(len(self._role_numbers)))
        shares = np.empty(len(order))
        shares[order[::2]], shares[order[1::2]] = 1 - self.settings.majority, self.settings.majority
        return shares

    @cached_property
    def tested(self) -> Bools:
        """`(roles, 6)` which skin tones of a role are for testing."""
        order = self.streams.at("test tones").order(np.arange(len(self.share)))
        order = order[np.argsort(self.share[order], kind="stable")]  # of roles of either kind each tone as often
        tested = np.zeros((len(order), emoji_roles.TONES), np.bool_)
        for turn, role in enumerate(order.tolist()):
            tested[role, _TEST_TONES[turn % len(_TEST_TONES)]] = True
        return tested

    @cached_property
    def splits(self) -> Splits:
        """Test set and pool, ids ascending."""
        most, least = self.settings.of_tone()
        women = np.where(self.share > 0.5, most, least)  # (roles,) in one tone
        of_gender = np.stack([most + least - women, women], 1)  # (roles, 2)
        in_pool = np.where(self.tested[:, None], 0, of_gender[:, :, None])  # (roles, 2, 6)
        in_test = np.broadcast_to(np.where(self.tested[:, None], self.settings.test, 0), in_pool.shape)
        return Splits(test=self._ids(in_test), pool=self._ids(in_pool))

    @property
    def digest(self) -> str:
        """Tells these pictures and captions from any others."""
        drawn, settings, splits = self.drawn, self.settings, self.splits
        look = np.array([FORM, settings.canvas, settings.smallest, settings.dimmest])
        arrays = (drawn.images, drawn.role, drawn.woman, drawn.tone, splits.test, splits.pool, self._explicit, look)
        return digest_of(*arrays)

    def facts(self, ids: Ints) -> Ints:
        """`(n, 3)` role, gender and skin tone that pictures show."""
        drawing = ids // _VARIANTS
        role = self._position[self.drawn.role[drawing]]
        return np.stack([role, self.drawn.woman[drawing], self.drawn.tone[drawing]], 1)

    def drawing(self, ids: Ints) -> Ints:
        """`(n,)` which drawing each is a variant of."""
        return ids // _VARIANTS

    def variant(self, ids: Ints) -> Ints:
        """`(n,)` which variant of its drawing each is, from 0."""
        return ids % _VARIANTS

    def captions(self, ids: Ints) -> Ints:
        """`(n, 3)` role, gender and skin tone that captions say, the latter two perhaps `NOT_SAID`."""
        facts = self.facts(ids)
        pool = self.splits.pool
        at = np.minimum(np.searchsorted(pool, ids), len(pool) - 1)
        neutral = (pool[at] == ids) & ~self._explicit[at]
        facts[neutral, 1:] = NOT_SAID
        return facts

    def labels(self, ids: Ints) -> Frame:
        """What captions say, as columns."""
        role, gender, tone = self.captions(ids).T
        return Frame({
            ROLE: Column(role, role=TARGET, vocabulary=ROLES),
            GENDER: Column(gender, vocabulary=GENDERS),
            TONE: Column(tone, vocabulary=TONES),
        })  # fmt: skip

    def for_reader(self, count: int) -> Ints:
        """Ids of so many variants of each drawing of the pool: as many men as women in every role, and new ones."""
        drawings = np.sort(self._drawings[~np.broadcast_to(self.tested[:, None], self._drawings.shape)])
        return (drawings[:, None] * _VARIANTS + _FOR_READER + np.arange(count)).ravel()

    def render(self, ids: Ints) -> Pixels:
        """`(n, canvas, canvas, 3)` uint8; each depends on its id alone."""
        settings = self.settings
        ranges = Ranges(settings.canvas, settings.smallest, settings.dimmest)
        return render(self.drawn.images, ids // _VARIANTS, ids % _VARIANTS, ranges)

    @cached_property
    def _role_numbers(self) -> list[int]:
        complete = np.flatnonzero(np.all(self.drawn.drawings() > 0, axis=(1, 2)))
        wanted = self.settings.roles
        return [int(complete[turn * len(complete) // wanted]) for turn in range(wanted)]

    @cached_property
    def _position(self) -> Ints:
        """`(all roles,)` positions in `roles`; -1 of others."""
        position = np.full(len(self.drawn.roles), -1, np.int64)
        position[self._role_numbers] = np.arange(len(self._role_numbers))
        return position

    @cached_property
    def _drawings(self) -> Ints:
        """`(roles, 2, 6)` the first drawing of each role, gender and skin tone."""
        drawn = self.drawn
        first = np.zeros((len(self._role_numbers), 2, emoji_roles.TONES), np.int64)
        for number in range(len(drawn.images) - 1, -1, -1):
            if self._position[drawn.role[number]] >= 0:
                first[self._position[drawn.role[number]], drawn.woman[number], drawn.tone[number]] = number
        return first

    @cached_property
    def _explicit(self) -> Bools:
        """`(pool,)` whether the caption says gender and skin tone: half of each role and gender."""
        pool = self.splits.pool
        role, gender, _ = self.facts(pool).T
        stratum = role * 2 + gender
        order = np.lexsort((self.streams.at("explicit").bits(pool)[:, 0], stratum))
        rank = np.empty(len(pool), np.int64)
        rank[order] = np.arange(len(pool)) - np.searchsorted(stratum[order], stratum[order])
        explicit: Bools = rank % 2 == 1
        return explicit

    def _ids(self, counts: Ints) -> Ints:
        """The first so many variants `(roles, 2, 6)` of each drawing, ids ascending."""
        repeats = counts.ravel()
        variant = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        return np.sort(np.repeat(self._drawings.ravel(), repeats) * _VARIANTS + variant)


def pictures(settings: PictureSettings, streams: Streams) -> CaptionedPictures:
    """The pictures of a run.

    Raises:
        DownloadError: the file, which comes with biasloop, is damaged or missing.
    """
    return CaptionedPictures(settings, streams, emoji_roles.pictures())
